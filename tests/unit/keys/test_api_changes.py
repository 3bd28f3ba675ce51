"""Importing an API again: what it would change is said before, and what it does to keys is safe."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.models import Account, User
from core.actor import Actor, ConfirmationRequired
from core.authorization import Denied
from core.permissions import Role
from keys import apis
from keys.apis.description import Description
from keys.apis.difference import get_difference
from keys.docs.granted import get_api_modules
from keys.models import Api, Enablement, Key, Module, Route
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_key_of, confirmed, events, least
from tests.unit.keys.documents import RULES, a_document, described, operation

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("test")
SHOP = a_document(
    {
        "/goods": {"get": operation("Goods"), "post": operation("Goods")},
        "/orders": {"get": operation("Orders")},
        "/prices": {"get": operation("Prices")},
    }
)
# Orders are gone; prices can be changed by who has goods; there are returns.
LATER = a_document(
    {
        "/goods": {"get": operation("Goods")},
        "/prices": {"get": operation("Prices"), "post": operation("Goods")},
        "/returns": {"get": operation("Returns")},
    }
)


@pytest.fixture
def shop() -> Api:
    return apis.add(slug="shop", description=described(SHOP), by=COMMAND)


def a_shop_key(user: User, *modules: str, **key_settings: Any) -> Key:
    return a_key_of("shop", user, **{"modules": frozenset(modules) or None, **key_settings}).key


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(least.__globals__["LEAST"], "shop", least.__globals__["LEAST"]["billing"])


def granted(key: Key) -> set[str]:
    return set(key.modules.values_list("slug", flat=True))


def stored(api: Api) -> dict[str, list[str]]:
    modules = Module.objects.filter(api=api).order_by("position")
    return {module.slug: sorted(map(str, module.routes.all())) for module in modules}


def test_modules_are_known_by_their_slugs_so_that_grants_survive(shop: Api, alice: User):
    both, orders, every = a_shop_key(alice, "goods", "orders"), a_shop_key(alice, "orders"), a_shop_key(alice)
    kept = Module.objects.get(api=shop, slug="goods").pk

    found = apis.update(api=shop, description=described(LATER), by=COMMAND)

    assert stored(shop) == {
        "goods": ["GET /goods", "POST /prices"],
        "prices": ["GET /prices"],
        "returns": ["GET /returns"],
    }
    assert Module.objects.get(api=shop, slug="goods").pk == kept
    assert (granted(both), granted(orders), granted(every)) == ({"goods"}, set(), set())
    assert list(Key.objects.filter(api=shop).order_by("pk").values_list("all_modules", "version")) == [
        (False, 2),
        (False, 2),
        (True, 1),
    ]
    assert (found.removed, found.added, found.keys) == (("orders",), ("returns",), 3)


def test_routes_that_stay_are_left_alone(shop: Api):
    before = {str(route): route.pk for route in Route.objects.filter(module__api=shop)}

    apis.update(api=shop, description=described(LATER), by=COMMAND)

    after = {str(route): route.pk for route in Route.objects.filter(module__api=shop)}
    assert set(before.items()) & set(after.items()) == {
        ("GET /goods", before["GET /goods"]),
        ("GET /prices", before["GET /prices"]),
    }


def test_it_says_what_would_change_and_changes_nothing(shop: Api, alice: User):
    a_shop_key(alice, "goods", "orders", name="Robot")
    lost = a_shop_key(alice, "orders", name="Lost")

    lines = list(get_difference(shop, described(LATER, noun="Shop key")).format_lines())

    assert lines[0] == "noun: API key -> Shop key"
    assert {"module removed: orders", "module added: returns"} <= set(lines)
    assert [line for line in lines if line.startswith("route")] == [
        "route removed: POST /goods of goods",
        "route removed: GET /orders of orders",
        "route added: POST /prices of goods",
        "route added: GET /returns of returns",
    ]
    assert lines[-5:] == [
        "keys of this API: 2, in 1 account",
        "keys that gain access: 1",
        "keys that lose access: 2",
        f"  acme: {lost}: orders; no modules left",
        f"  acme: {Key.objects.get(name='Robot')}: goods, orders",
    ]
    assert "orders" in stored(shop)
    assert events("api.changed") == []


def test_of_a_list_of_fields_it_names_those_that_changed(shop: Api) -> None:
    fields = [{"slug": slug, "label": slug, "kind": "text"} for slug in ("site", "team")]
    shop.policy = shop.policy | {"fields": [fields[0], {"slug": "old", "label": "Old", "kind": "text"}]}
    later = described(SHOP, fields=[fields[0] | {"label": "Website"}, fields[1]])

    assert next(line for line in get_difference(shop, later).format_lines() if line.startswith("fields")) == (
        "fields: removed old; added team; changed site"
    )


def test_what_modules_contain_counts_for_what_keys_lose_and_gain(shop: Api, alice: User):
    a_shop_key(alice, "goods", name="Robot")
    orders = a_shop_key(alice, "orders", name="Clerk")
    containing = described(SHOP, modules=[{"tag": "Goods", "contains": ["Orders"]}])

    more = get_difference(shop, containing)
    assert 'contains: [] -> ["goods: orders"]' in list(more.format_lines())
    assert (more.gaining_count, more.impacts) == (1, ())

    apis.update(api=shop, description=containing, by=COMMAND)
    assert dict(Module.objects.filter(api=shop).values_list("slug", "contained")) == {
        "goods": ["orders"],
        "orders": [],
        "prices": [],
    }
    less = get_difference(shop, described(SHOP))
    assert (less.gaining_count, [(each.modules, each.left_without_modules) for each in less.impacts]) == (
        0,
        [(("goods",), False)],
    )
    # Orders lose their routes: so does whoever contains them.
    moved = a_document({**SHOP["paths"], "/orders": {"get": operation("Prices")}}, tags=[{"name": "Orders"}])
    gone = get_difference(shop, described(moved, modules=[{"tag": "Goods", "contains": ["Prices"]}]))
    assert [(each.key, each.modules, each.left_without_modules) for each in gone.impacts] == [
        (str(orders), ("orders",), True)
    ]
    assert gone.gaining_count == 1


def test_routes_that_would_be_open_to_every_key_are_named(shop: Api):
    found = get_difference(shop, described(LATER, unlisted_routes="allow"))

    assert found.newly_public == ("POST /goods", "GET /orders")
    assert "open to every key, because unlisted_routes is allow: GET /orders" in list(found.format_lines())
    assert get_difference(shop, described(LATER)).newly_public == ()


def test_each_account_that_has_keys_of_it_sees_the_change(shop: Api, alice: User):
    other, none = an_account("globex"), an_account("initech")
    mine, theirs = a_shop_key(alice, "orders"), a_shop_key(a_user(other, "Gina", Role.ADMINISTRATOR))
    Enablement.objects.create(account=none, api=shop)

    apis.update(api=shop, description=described(LATER, longest_days=90), by=COMMAND)

    record = {event.account_id: json.loads(event.body)["data"] for event in events("api.changed")}
    assert set(record) == {None, alice.account_id, other.pk}
    assert {json.dumps(data["changes"]) for data in record.values()} == {json.dumps(record[None]["changes"])}
    assert record[None]["changes"]["longest_days"] == [None, 90]
    assert record[None]["changes"]["modules"] == [
        ["goods (Goods)", "orders (Orders)", "prices (Prices)"],
        ["goods (Goods)", "prices (Prices)", "returns (Returns)"],
    ]
    assert record[alice.account_id]["keys"] == [f"acme: {mine}: orders; no modules left"]
    assert record[other.pk]["keys"] == []
    assert str(theirs) not in json.dumps(record[alice.account_id])


def test_what_is_the_same_is_no_change(shop: Api):
    found = apis.update(api=shop, description=described(SHOP), by=COMMAND)

    assert found.changes == {}
    assert events("api.changed") == []


def test_a_document_that_only_reads_differently_is_a_change_of_the_document(shop: Api):
    document = {**SHOP, "info": {"title": "Shop of shops", "version": "2"}}

    found = apis.update(api=shop, description=described(document), by=COMMAND)

    assert set(found.changes) == {"name", "document"}
    assert found.changes["document"][1].startswith("2 (")
    assert Api.objects.get(slug="shop").name == "Shop of shops"


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"secret": "shown_once"}, "secret: 'revealable' cannot become 'shown_once'"),
        ({"name_kind": "owner"}, "name_kind: 'text' cannot become 'owner'"),
        ({"credentials": ["signature"]}, r"credentials: \['token', 'bearer'\] cannot become \['signature'\]"),
    ],
)
def test_what_keys_could_not_follow_is_refused_while_there_are_any(
    rules: dict[str, Any], word: str, shop: Api, alice: User
):
    key = a_shop_key(alice)

    with pytest.raises(apis.IncompatibleChange, match=word):
        apis.update(api=shop, description=described(SHOP, **rules), by=COMMAND)

    Key.objects.filter(pk=key.pk).update(deleted_at="2026-01-01T00:00:00Z")
    apis.update(api=shop, description=described(SHOP, **rules), by=COMMAND)


def test_who_was_shown_something_else_is_asked_again(shop: Api, alice: User):
    seen = get_difference(shop, described(LATER))
    a_shop_key(alice, "orders")

    with pytest.raises(apis.EditConflict):
        apis.update(api=shop, description=described(LATER), previewed=seen, by=COMMAND)

    assert "orders" in stored(shop)


def test_only_support_changes_apis_and_only_confirmed(shop: Api, alice: User):
    support = a_user(None, "Sam", Role.SUPPORT)

    with pytest.raises(Denied):
        apis.update(api=shop, description=described(LATER), by=acting(alice))
    with pytest.raises(ConfirmationRequired):
        apis.update(api=shop, description=described(LATER), by=acting(support))
    apis.update(api=shop, description=described(LATER), by=confirmed(support, "api.change", "shop"))

    (event,) = events("api.changed")
    assert event.actor == support.email


@pytest.mark.quality(19)
def test_an_event_that_cannot_be_written_stops_the_change(shop: Api, alice: User, monkeypatch: pytest.MonkeyPatch):
    key = a_shop_key(alice, "orders")
    before = stored(shop)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no trail")

    monkeypatch.setattr(apis, "record", fail)
    for change in (
        lambda: apis.update(api=shop, description=described(LATER), by=COMMAND),
        lambda: apis.add(slug="second", description=described(SHOP), by=COMMAND),
        lambda: apis.enable(api=shop, account=an_account("globex"), by=COMMAND),
        lambda: apis.set_request_link(api=shop, link="https://shop.example", by=COMMAND),
    ):
        with pytest.raises(RuntimeError, match="no trail"):
            change()

    assert stored(shop) == before
    assert (granted(key), Key.objects.get(pk=key.pk).version) == ({"orders"}, 1)
    assert not Api.objects.filter(slug="second").exists()
    assert not Enablement.objects.filter(account__slug="globex").exists()
    assert Api.objects.get(slug="shop").request_link == ""


def test_only_support_sets_the_request_link_and_only_confirmed(shop: Api, alice: User):
    support, link = a_user(None, "Sam", Role.SUPPORT), "https://shop.example"

    with pytest.raises(Denied):
        apis.set_request_link(api=shop, link=link, by=acting(alice))
    with pytest.raises(ConfirmationRequired):
        apis.set_request_link(api=shop, link=link, by=confirmed(support, "api.request_link", "billing"))
    with pytest.raises(apis.IncompatibleChange, match=r"'https://shop\.example/v1' is not just a scheme and a host"):
        apis.set_request_link(api=shop, link=f"{link}/v1", by=COMMAND)
    apis.set_request_link(api=shop, link=link, by=confirmed(support, "api.request_link", "shop"))
    apis.set_request_link(api=shop, link=link, by=COMMAND)

    (event,) = events("api.request_link_changed")
    assert (event.actor, Api.objects.get(slug="shop").request_link) == (support.email, link)


# The commands.


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return write(tmp_path, SHOP)


def write(folder: Path, document: Any, **rules: Any) -> tuple[str, str]:
    (folder / "shop.openapi.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "shop.policy.json").write_text(json.dumps({**RULES, **rules}), encoding="utf-8")
    return str(folder / "shop.openapi.yaml"), str(folder / "shop.policy.json")


def import_api(files: tuple[str, str], *options: str) -> str:
    output = io.StringIO()
    call_command("import_api", files[0], "--policy", files[1], *options, stdout=output)
    return output.getvalue()


def test_the_command_adds_an_api_under_its_files_name(files: tuple[str, str]):
    assert "Would add the API shop (Shop). Nothing was changed." in import_api(files, "--dry-run")
    assert not Api.objects.filter(slug="shop").exists()

    output = import_api(files)

    assert output.splitlines()[:3] == ["goods (Goods)", "  GET /goods", "  POST /goods"]
    assert output.endswith("Added the API shop (Shop). Next: manage.py enable_api shop ACCOUNT\n")
    assert stored(Api.objects.get(slug="shop"))["orders"] == ["GET /orders"]
    assert import_api(files) == "The API shop is already up to date.\n"
    import_api(files, "--slug", "second")
    assert Api.objects.filter(slug="second").exists()


def test_the_command_proposes_modules_where_there_are_no_tags(tmp_path: Path):
    ok = {"responses": {"200": {"description": "ok"}}}
    document = {**SHOP, "paths": {"/v1/charges": {"get": ok, "post": ok}, "/v1/refunds": {"get": ok}}, "tags": []}
    files = write(tmp_path, document)
    assert "suggest these instead: Charges (2), Refunds (1). Use --propose-modules to print that policy." in import_api(
        files, "--dry-run"
    )

    printed = import_api(files, "--propose-modules")
    assert not Api.objects.filter(slug="shop").exists()
    (tmp_path / "shop.policy.json").write_text(printed, encoding="utf-8")
    import_api(files)
    assert stored(Api.objects.get(slug="shop")) == {
        "charges": ["GET /v1/charges", "POST /v1/charges"],
        "refunds": ["GET /v1/refunds"],
    }


def test_the_command_says_which_routes_not_every_proxy_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import_api(write(tmp_path, SHOP), "--dry-run")
    assert "Traefik" not in capsys.readouterr().err
    paths = {f"/projects/{{id}}{rest}": {"get": operation("Projects")} for rest in ("", "/issues", "/{name}.json")}
    import_api(write(tmp_path, a_document(paths), encoded_slash="id"), "--dry-run")

    assert (
        "encoded_slash: 3 routes, such as GET /projects/{id}, accept %2F in a path parameter. nginx, Caddy, Envoy and "
        "HAProxy serve such calls with the files in deploy/. Traefik refuses them"
    ) in capsys.readouterr().err
    import_api(write(tmp_path, a_document({"/p/{id}": paths["/projects/{id}"]}), encoded_slash="id"), "--dry-run")
    assert "encoded_slash: GET /p/{id} accepts %2F" in capsys.readouterr().err


def test_the_command_shows_changes_and_wants_yes(files: tuple[str, str], tmp_path: Path, monkeypatch: Any):
    import_api(files)
    write(tmp_path, LATER)

    assert "module removed: orders" in import_api(files, "--dry-run")
    with pytest.raises(CommandError, match="Nothing was changed"):
        import_api(files)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    with pytest.raises(CommandError, match="Nothing was changed"):
        import_api(files)
    assert events("api.changed") == []
    monkeypatch.setattr("sys.stdin", Terminal("Yes\n"))
    assert import_api(files).endswith("Changed the API shop.\n")
    assert "returns" in stored(Api.objects.get(slug="shop"))


def test_the_command_changes_with_yes_given(files: tuple[str, str], tmp_path: Path):
    import_api(files)
    write(tmp_path, LATER)

    assert import_api(files, "--yes").endswith("Changed the API shop.\n")
    assert len(events("api.changed")) == 1


def test_the_command_warns_of_what_the_gateway_does_not_need_and_tells_of_its_progress(tmp_path: Path):
    files = write(tmp_path, {**SHOP, "info": {"title": "Shop", "version": 2}})
    output = io.StringIO()

    call_command("import_api", files[0], "--policy", files[1], stdout=io.StringIO(), stderr=output)

    assert output.getvalue().splitlines()[:2] == ["Reading shop.openapi.yaml, 0.0 MB …", "Checking 3 paths …"]
    assert "1 warning that does not affect the gateway:" in output.getvalue()
    assert '/info/version: 2. Write it in quotes: "2".' in output.getvalue()
    assert output.getvalue().endswith("Storing 4 routes …\n")
    assert Api.objects.filter(slug="shop").exists()


@pytest.mark.parametrize(
    ("document", "rules", "options", "named"),
    [
        ({"swagger": "2.0"}, {}, (), "npx swagger2openapi"),
        ({**SHOP, "info": {"title": "Shop", "version": 2}}, {}, ("--strict",), "/info/version: 2. Write it in quotes"),
        (SHOP, {"secret": "hidden"}, (), '/secret: "hidden". Use one of revealable, shown_once'),
        (
            SHOP,
            {"credentials": ["signature"], "secret": "shown_once"},
            (),
            "the gateway checks signatures with the secret",
        ),
        (SHOP, {}, ("--slug", "Not a slug"), "--slug 'Not a slug'"),
        (SHOP, {}, ("--slug", "x" * 65), "--slug"),
    ],
)
def test_the_command_says_what_is_wrong(
    document: Any, rules: dict[str, Any], options: tuple[str, ...], named: str, tmp_path: Path
):
    with pytest.raises(CommandError) as refused:
        import_api(write(tmp_path, document, **rules), *options)

    assert named in str(refused.value)
    assert not Api.objects.exclude(slug__in=apis.list_preset_slugs()).exists()


def test_the_command_names_the_file_that_is_not_there(files: tuple[str, str]):
    with pytest.raises(CommandError, match=r"absent\.yaml: No such file"):
        import_api(("absent.yaml", files[1]))


def test_every_preset_is_what_its_files_say():
    for slug in apis.list_preset_slugs():
        folder = Path("keys/apis/presets")
        found = Description.from_files(folder / f"{slug}.openapi.yaml", folder / f"{slug}.policy.yaml")
        assert get_difference(Api.objects.get(slug=slug), found).changes == {}


def test_enable_api_lets_an_account_have_keys(shop: Api):
    account: Account = an_account()
    output = io.StringIO()

    call_command("enable_api", "shop", "acme", stdout=output)
    call_command("enable_api", "shop", "acme", stdout=output)

    assert output.getvalue() == "Acme now has the API shop (Shop).\nAcme already had the API shop (Shop).\n"
    assert Enablement.objects.filter(account=account, api=shop).count() == 1
    with pytest.raises(CommandError, match=r"no API 'shops'\. The APIs are billing, cloud-pbx"):
        call_command("enable_api", "shops", "acme")
    with pytest.raises(CommandError, match="no account 'globex'"):
        call_command("enable_api", "shop", "globex")


def test_documents_list_the_routes_of_the_present_version(shop, alice):
    """They are cached for each version of the API."""

    def listed() -> dict[str, list[str]]:
        return {module.slug: [route.text for route in module.routes] for module in get_api_modules(shop)}

    before = listed()
    assert listed() == before == stored(shop)
    apis.update(api=shop, description=described(LATER), by=COMMAND)
    assert "POST /prices" in str(listed())
    assert {slug: sorted(routes) for slug, routes in listed().items()} == stored(shop)
    assert listed() != before
