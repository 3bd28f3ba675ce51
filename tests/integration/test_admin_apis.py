"""Support's pages of APIs: a document and a policy are uploaded, what changes for keys is shown, and that saved."""

from __future__ import annotations

import html
import json
import random
import re
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core.actor import Actor
from core.permissions import Role
from keys import apis
from keys.models import Api, Enablement, Key, Module
from keys.uploads import BUSY_MESSAGE, SUPPORT, acquire_reader
from tests.factories.accounts import PASSWORD, a_user, an_account, with_totp
from tests.factories.calls import a_call
from tests.factories.keys import a_key_of, events, least
from tests.parsing import parse_bytes
from tests.responses import Response, read_words
from tests.unit.keys.documents import RULES, a_document, described, operation

pytestmark = pytest.mark.django_db
SHOP = a_document({"/goods": {"get": operation("Goods")}, "/orders": {"get": operation("Orders")}})
LATER = a_document({"/goods": {"get": operation("Goods")}, "/returns": {"get": operation("Returns")}})


@pytest.fixture
def shop(support: User) -> Api:
    return apis.add(slug="shop", description=described(SHOP), by=Actor.from_command("test"))


@pytest.fixture
def key(shop: Api, monkeypatch: pytest.MonkeyPatch) -> Key:
    """Granted orders alone."""
    monkeypatch.setitem(least.__globals__["LEAST"], "shop", least.__globals__["LEAST"]["billing"])
    return a_key_of("shop", a_user(an_account(), "Alice", Role.ADMINISTRATOR), modules=frozenset({"orders"})).key


def upload_url(api: Api) -> str:
    return reverse("admin:keys_api_upload", args=[api.pk])


NEW = "/admin/keys/api/new/"


def a_file(content: Any) -> SimpleUploadedFile:
    """YAML, or the very bytes."""
    return SimpleUploadedFile("file", content if isinstance(content, bytes) else yaml.safe_dump(content).encode())


def sent(client: Client, url: str, **given: Any) -> Response:
    files = {name: a_file(given.pop(name)) for name in ("document", "policy") if name in given}
    return client.post(url, {**given, **files})


def confirm(client: Client, url: str, page: Response, password: str = PASSWORD, **given: str) -> Response:
    seal = re.search(r'name="shown" value="([^"]+)"', page.content.decode())
    assert seal is not None, read_words(page)
    return client.post(url, {"shown": seal[1], "password": password, **given})


def modules(api: Api) -> list[str]:
    return list(Module.objects.filter(api=api).order_by("position").values_list("slug", flat=True))


def test_apis_are_listed_and_read(client: Client, support: User, key: Key) -> None:
    page = client.get(reverse("admin:keys_api_changelist"))
    assert {"Billing", "Shop"} <= set(
        re.findall(r'<a href="[^"]+change/"><bdi>([^<]+)</bdi></a>', page.content.decode())
    )

    content = read_words(client.get(reverse("admin:keys_api_change", args=[key.api_id])))
    sip = Api.objects.get(slug="sip-caller")
    assert "Contains account-reader, partner-admin, partner-reader" in read_words(
        client.get(reverse("admin:keys_api_change", args=[sip.pk]))
    )
    for word in ("Shop, version 1", "GET /orders", "credentials: ", "acme"):
        assert word in content


def test_what_a_change_does_to_keys_is_shown_and_saved_after_a_confirmation(
    client: Client, support: User, shop: Api, key: Key
) -> None:
    page = sent(client, upload_url(shop), document=LATER)
    content = read_words(page)
    for line in (
        "module removed: orders",
        "module added: returns",
        "keys of this API: 1, in 1 account",
        "no modules left",
    ):
        assert line in content
    assert str(key) in content
    assert modules(shop) == ["goods", "orders"]

    refused = confirm(client, upload_url(shop), page, "wrong")
    assert refused.status_code == 422
    assert modules(shop) == ["goods", "orders"]
    assert confirm(client, upload_url(shop), refused).status_code == 302
    assert modules(shop) == ["goods", "returns"]
    everywhere, in_account = events("api.changed")
    for event, account in ((everywhere, None), (in_account, key.account_id)):
        body = json.loads(event.body)
        assert (body["actor"]["label"], body["account_id"]) == (support.email, account)
        assert body["confirmed_by"] == "password"
    # What was confirmed is what the API is like by now.
    again = confirm(client, upload_url(shop), refused)
    assert again.status_code == 422
    assert "in the meantime" in read_words(again)


def test_a_change_that_stops_a_key_needs_a_box_ticked(
    client: Client, shop: Api, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay is over the calls of all keys of the API; LATER has no orders."""
    for _ in range(3):
        columns: dict[str, Any] = {"path": "/orders", "rule": "GET /orders", "module": "orders"}
        columns |= {"client_address": "198.51.100.7"}
        a_call(key.account, key_id=key.public_id, api="shop", **columns)
    url = upload_url(shop)
    page = sent(client, url, document=LATER)
    assert "Would have refused 3 of 3 calls, from 1 address, on 1 module." in read_words(page)
    assert "Counted since" in read_words(page)
    assert "one by one" not in read_words(page)
    with monkeypatch.context() as patched:
        patched.setattr("audit.usage.selectors.MAX_CALLS_READ", 2)
        partial = read_words(sent(client, url, document=LATER))
    assert "Would have refused 2 of 2 calls" in partial
    assert "of calls that had to be read one by one, the newest 100,000, back to" in partial
    assert "Every call that is allowed now would be refused: Invoice robot." in read_words(page)
    assert f"/admin/audit/call/?range=30d&amp;key_id={key.public_id}&amp;address=198.51.100.7" in page.content.decode()
    refused = confirm(client, url, page)
    assert refused.status_code == 422
    assert "Select this to refuse the calls above, or change the policy." in read_words(refused)
    assert modules(shop) == ["goods", "orders"]
    assert confirm(client, url, page, refuses="on").status_code == 302
    assert modules(shop) == ["goods", "returns"]


def test_a_policy_alone_may_be_uploaded(client: Client, shop: Api) -> None:
    page = sent(client, upload_url(shop), policy={**RULES, "noun": "shop key"})
    assert "noun: " in read_words(page)
    assert confirm(client, upload_url(shop), page).status_code == 302
    shop.refresh_from_db()
    assert shop.policy["noun"] == "shop key"
    assert "is already up to date" in read_words(
        client.get(sent(client, upload_url(shop), policy=shop.policy)["Location"])
    )


def test_routes_that_not_every_proxy_serves_are_named_before_they_are_saved(client: Client, shop: Api) -> None:
    document = a_document({"/goods/{path}": {"get": operation("Goods")}})
    assert "Traefik" not in read_words(sent(client, upload_url(shop), document=document))
    content = read_words(sent(client, upload_url(shop), document=document, policy={**RULES, "encoded_slash": "path"}))
    assert "Proxies encoded_slash: GET /goods/{path} accepts %2F" in content
    assert "do not serve them behind it" in content


def test_a_preview_that_is_out_of_date_is_refused(client: Client, shop: Api, key: Key) -> None:
    page = sent(client, upload_url(shop), document=LATER)
    Key.objects.filter(pk=key.pk).update(all_modules=True)

    answer = confirm(client, upload_url(shop), page)
    assert answer.status_code == 422
    assert "have changed in the meantime" in read_words(answer)
    assert modules(shop) == ["goods", "orders"]


def test_what_keys_could_not_follow_is_refused_before_anything_is_confirmed(
    client: Client, shop: Api, key: Key
) -> None:
    answer = sent(client, upload_url(shop), policy={**RULES, "secret": "shown_once"})

    assert answer.status_code == 422
    assert "secret: 'revealable' cannot become 'shown_once' while there are keys of Shop (1)" in read_words(answer)


def test_all_faults_of_a_document_are_said_at_its_file_with_line_and_column(client: Client, shop: Api) -> None:
    paths = "paths:\n  /a: {get: {tags: A, operationId: 7}}\n  /b//c: {get: {}}\n"
    document = b"openapi: 3.1.0\ninfo: {title: Shop, version: 1}\n" + paths.encode()

    answer = html.unescape(read_words(sent(client, upload_url(shop), document=document)))

    assert "it has 4 problems" in answer
    assert 'line 4, column 20, /paths/~1a/get/tags: "A". Write a list.' in answer
    assert "line 5, column 10, /paths/~1b~1~1c: /b//c." in answer
    assert 'line 2, column 30, /info/version: 1. Write it in quotes: "1".' in answer
    assert "line 4, column 36, /paths/~1a/get/operationId: 7." in answer


def test_a_document_that_compression_makes_no_smaller_is_saved(client: Client, shop: Api) -> None:
    noise = random.Random(1).randbytes(1_500_000).hex()
    document = LATER | {"x-noise": noise}

    answer = confirm(client, upload_url(shop), sent(client, upload_url(shop), document=document))

    assert answer.status_code == 302
    shop.refresh_from_db()
    assert shop.document["x-noise"] == noise


def test_warnings_are_shown_before_the_change_is_confirmed(client: Client, shop: Api) -> None:
    document = json.dumps(LATER | {"info": {"title": "Shop", "version": 2}}, indent=1).encode()

    page = sent(client, upload_url(shop), document=document)

    assert page.status_code == 200
    assert "1 warning that does not affect the gateway" in read_words(page)
    assert 'line 5, column 14, /info/version: 2. Write it in quotes: "2".' in html.unescape(read_words(page))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Nothing has changed. Edit a text, or choose a file."),
        ({"document": b"\xff\xfe"}, "is not UTF-8"),
        ({"document": b"{" * 1000}, ""),
        ({"document": {"openapi": "2.0"}}, "Use OpenAPI 3.0 or 3.1"),
        ({"document": {"swagger": "2.0"}}, "Convert it to OpenAPI 3 with npx swagger2openapi"),
        ({"document": b"x" * 16_000_001}, "The file is larger than 16,000,000 bytes"),
        ({"policy": {**RULES, "colour": "red"}}, '/colour: "colour" is unknown in a policy'),
        ({"policy": b"- 1"}, ""),
    ],
)
def test_what_cannot_be_used_is_said_at_its_file(
    client: Client, shop: Api, given: dict[str, Any], message: str
) -> None:
    answer = sent(client, upload_url(shop), **given)

    assert answer.status_code == 422
    assert 'name="shown"' not in answer.content.decode()
    assert message in html.unescape(read_words(answer))
    assert re.search(r'class="(error|note bad)"', answer.content.decode())


@pytest.mark.parametrize(
    ("document", "policy", "message"),
    [
        (
            b"openapi: 3.1.0\npaths: {a: {}}\n",
            b"noun: 7\n",
            ["line 2, column 12, /paths/a: ", "line 1, column 7, /noun: 7. "],
        ),
        (b"openapi: [\n", b"noun: 7\n", ["Invalid YAML in line 2, column 1", "line 1, column 7, /noun: 7. "]),
        (
            b"openapi: 3.1.0\npaths: {a: {}}\n",
            b"noun: [\n",
            ["line 2, column 12, /paths/a: ", "Invalid YAML in line 2"],
        ),
        (b"a: 1\na: 2\n", b"noun: [\n", ["Line 2, column 1: the name 'a' appears twice", "Invalid YAML in line 2"]),
    ],
)
def test_faults_of_both_files_are_said_at_once_each_at_its_own(
    client: Client, shop: Api, document: bytes, policy: bytes, message: list[str]
) -> None:
    answer = sent(client, upload_url(shop), document=document, policy=policy)

    assert answer.status_code == 422
    form = answer.context["form"]
    for name, line in zip(("document", "policy"), message, strict=True):
        assert any(each.startswith(line) for each in form.errors[name]), form.errors[name]


def test_support_reads_one_upload_at_a_time_and_keeps_what_was_typed(client: Client, shop: Api) -> None:
    preview = sent(client, upload_url(shop), document=LATER)
    with acquire_reader(SUPPORT):
        added = client.post(NEW, {"slug": "market", "document_text": "openapi: 3.1.0", "policy_text": "noun: item"})
        changed = client.post(upload_url(shop), {"policy_text": "noun: item"})
        confirmed = confirm(client, upload_url(shop), preview)
    for answer in (added, changed, confirmed):
        assert (answer.status_code, BUSY_MESSAGE in read_words(answer)) == (422, True)
    assert all(typed in added.content.decode() for typed in ('value="market"', "openapi: 3.1.0", "noun: item"))
    assert "noun: item" in changed.content.decode()
    assert modules(shop) == ["goods", "orders"]

    # The preview comes back with its own button, and can still be confirmed.
    again = confirm(client, upload_url(shop), confirmed, password="")
    assert "Yes, change it" in again.content.decode()
    assert confirm(client, upload_url(shop), again).status_code == 302
    assert modules(shop) == ["goods", "returns"]


def test_what_was_not_shown_is_not_saved(client: Client, shop: Api, support: User) -> None:
    page = sent(client, upload_url(shop), document=LATER)
    billing = Api.objects.get(slug="billing")
    before = modules(billing)
    tom = a_user(None, "Tom", Role.SUPPORT)
    with_totp(tom)
    theirs = Client()
    theirs.force_login(tom)

    for answer in (
        confirm(client, upload_url(billing), page),
        confirm(client, NEW, page),
        confirm(theirs, upload_url(shop), page),
        client.post(upload_url(shop), {"shown": "forged", "password": PASSWORD}),
    ):
        assert answer.status_code == 422
        assert "Upload the files" in read_words(answer)
    assert (modules(shop), modules(billing)) == (["goods", "orders"], before)


def test_an_api_is_added_after_a_look_at_its_modules(client: Client, support: User) -> None:
    page = sent(client, NEW, slug="shop", document=SHOP, policy=RULES)
    assert "Goods (goods) GET /goods" in read_words(page)
    assert not Api.objects.filter(slug="shop").exists()

    assert confirm(client, NEW, page).status_code == 302
    assert modules(Api.objects.get(slug="shop")) == ["goods", "orders"]
    body = json.loads(events("api.added")[-1].body)
    assert (body["actor"]["label"], body["target"]["id"]) == (support.email, "shop")
    # A second time it is there.
    assert "An API named shop has been added in the meantime" in read_words(confirm(client, NEW, page))


@pytest.mark.parametrize(
    ("slug", "message"),
    [("billing", "An API named billing already exists"), ("Sh op", "is not a valid slug"), ("", "required")],
)
def test_a_new_api_needs_a_name_of_its_own(client: Client, support: User, slug: str, message: str) -> None:
    answer = sent(client, NEW, slug=slug, document=SHOP, policy=RULES)

    assert answer.status_code == 422
    assert message in read_words(answer)


class TestEditing:
    def texts(self, page: Response) -> dict[str, str]:
        """Return what stands in the text fields."""
        found = re.findall(r'<textarea name="(\w+)_text"[^>]*>\n?(.*?)</textarea>', page.content.decode(), re.DOTALL)
        return {name: html.unescape(content) for name, content in found}

    def test_what_is_in_use_is_downloaded_and_is_what_is_read_again(self, client: Client, shop: Api) -> None:
        for kind, stored in (("document", shop.document), ("policy", shop.policy)):
            answer = client.get(reverse(f"admin:keys_api_{kind}", args=[shop.pk]))
            name = "openapi" if kind == "document" else kind
            assert answer.headers["Content-Disposition"] == f'attachment; filename="shop.{name}.yaml"'
            assert parse_bytes(answer.content) == stored
            assert reverse(f"admin:keys_api_{kind}", args=[shop.pk]) in client.get(
                reverse("admin:keys_api_change", args=[shop.pk])
            ).content.decode()  # fmt: skip

    def test_a_text_is_edited_its_difference_shown_edited_further_and_saved(
        self, client: Client, support: User, shop: Api
    ) -> None:
        before = self.texts(client.get(upload_url(shop)))
        assert parse_bytes(before["policy"].encode()) == shop.policy
        # As a browser sends it.
        typed = {f"{name}_text": content.replace("\n", "\r\n") for name, content in before.items()}
        typed["policy_text"] = typed["policy_text"].replace("noun: API key", "noun: shop key")

        page = client.post(upload_url(shop), typed)
        assert "<del>" in page.content.decode()
        assert "− noun: API key + noun: shop key" in read_words(page)
        assert "OpenAPI document, line by line" not in read_words(page)

        seal = re.search(r'name="shown" value="([^"]+)"', page.content.decode())
        assert seal is not None
        further = client.post(upload_url(shop), {"shown": seal[1], "again": "1"})
        assert further.status_code == 200
        assert "noun: shop key" in self.texts(further)["policy"]
        assert self.texts(further)["document"] == before["document"]
        shop.refresh_from_db()
        assert shop.policy["noun"] == "API key"

        assert confirm(client, upload_url(shop), page).status_code == 302
        shop.refresh_from_db()
        assert (shop.policy["noun"], shop.document) == ("shop key", SHOP)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"policy_text": "noun: [", "policy": None}, "Invalid YAML in line"),
            ({"policy_text": "noun: shop key", "policy": RULES}, "Upload a file or edit the text, not both."),
            ({"document_text": "openapi: 2.0.0", "policy": None}, "Use OpenAPI 3.0 or 3.1"),
        ],
    )
    def test_what_is_wrong_is_said_and_what_was_typed_stays(
        self, client: Client, shop: Api, given: dict[str, Any], message: str
    ) -> None:
        answer = sent(client, upload_url(shop), **{name: value for name, value in given.items() if value is not None})

        assert answer.status_code == 422
        assert message in read_words(answer)
        name = next(iter(given))
        assert self.texts(answer)[name.removesuffix("_text")] == given[name]

    def test_proposed_modules_are_edited_in_the_text_of_the_policy(self, client: Client, support: User) -> None:
        item = {"get": {"responses": {"200": {"description": "ok"}}}}
        paths = dict.fromkeys(("/v1/charges", "/v1/refunds"), item)
        document = {"openapi": "3.0.3", "info": {"title": "Pay", "version": "1"}, "paths": paths}
        page = sent(client, NEW, slug="pay", document=document, policy=RULES)
        assert "Their paths suggest these instead: Charges (1), Refunds (1)." in read_words(page)
        seal = re.search(r'name="shown" value="([^"]+)"', page.content.decode())
        assert seal is not None

        typed = self.texts(client.post(NEW, {"shown": seal[1], "propose": "1"}))
        edited = typed["policy"].replace("tag: Refunds", "tag: Paying back")
        page = client.post(NEW, {"slug": "pay", "document_text": typed["document"], "policy_text": edited})
        assert "Paying back (paying-back) GET /v1/refunds" in read_words(page)
        assert "could be" not in read_words(page)

    def test_what_changed_in_the_meantime_loses_nothing_typed(self, client: Client, shop: Api, key: Key) -> None:
        page = client.post(upload_url(shop), {"document_text": yaml.safe_dump(LATER)})
        Key.objects.filter(pk=key.pk).update(all_modules=True)

        answer = confirm(client, upload_url(shop), page)
        assert answer.status_code == 422
        assert "/returns" in self.texts(answer)["document"]

    def test_a_new_api_may_be_typed(self, client: Client, support: User) -> None:
        given = {"slug": "shop", "document_text": yaml.safe_dump(SHOP), "policy_text": json.dumps(RULES)}
        assert "Choose a file, or enter the policy below." in read_words(client.post(NEW, given | {"policy_text": ""}))

        assert confirm(client, NEW, client.post(NEW, given)).status_code == 302
        assert modules(Api.objects.get(slug="shop")) == ["goods", "orders"]

    def test_a_document_that_is_too_large_for_a_page_is_changed_by_a_file(
        self, client: Client, shop: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("keys.apis.admin.forms.MAX_TEXT_CHARACTERS", 10)

        page = client.get(upload_url(shop))
        assert "document" not in self.texts(page)
        assert "too large to edit here" in read_words(page)
        assert "Use OpenAPI 3.0 or 3.1" in read_words(sent(client, upload_url(shop), document={"openapi": "2.0"}))


class TestRequestLink:
    def post(self, client: Client, api: Api, **given: str) -> Response:
        return client.post(reverse("admin:keys_api_request-link", args=[api.pk]), given, follow=True)

    def test_is_a_setting_that_policies_do_not_take_back(
        self, client: Client, support: User, shop: Api, key: Key
    ) -> None:
        page = read_words(client.get(reverse("admin:keys_api_change", args=[shop.pk])))
        assert "https://api.example.com (placeholder: no address is configured)" in page

        answer = self.post(client, shop, link="https://shop.acme.example/", password=PASSWORD)
        assert "Shop is reached at https://shop.acme.example (set here)." in read_words(answer)
        everywhere, in_account = events("api.request_link_changed")
        for event, account in ((everywhere, None), (in_account, key.account_id)):
            body = json.loads(event.body)
            assert (body["actor"]["label"], body["account_id"]) == (support.email, account)
            assert body["data"]["changes"] == {"request_link": [None, "https://shop.acme.example"]}
            assert body["confirmed_by"] == "password"

        preview = sent(client, upload_url(shop), policy={**RULES, "request_link": "https://first.example"})
        assert "the API's own setting, https://shop.acme.example, stays in force" in read_words(preview)
        assert confirm(client, upload_url(shop), preview).status_code == 302
        assert "https://shop.acme.example (set here)" in read_words(client.get(self.page(shop)))
        client.force_login(User.objects.get(nickname="Alice"))
        assert "https://shop.acme.example" in read_words(client.get(f"/keys/{key.public_id}/docs/"))
        client.force_login(support)
        answer = self.post(client, shop, link="", password=PASSWORD)
        assert "Shop is reached at https://first.example (from the policy)." in read_words(answer)

    def page(self, api: Api) -> str:
        return reverse("admin:keys_api_change", args=[api.pk])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (
                {"link": "https://a.example/v1", "password": PASSWORD},
                '"https://a.example/v1" is not just a scheme and a host',
            ),
            ({"link": "javascript:alert(1)", "password": PASSWORD}, "is not just a scheme and a host"),
            ({"link": "https://a.example", "password": "wrong"}, "Incorrect password or code"),
            ({"link": "https://a.example"}, "required"),
        ],
    )
    def test_nothing_else_is_taken(
        self, client: Client, support: User, shop: Api, given: dict[str, str], message: str
    ) -> None:
        answer = self.post(client, shop, **given)

        assert answer.status_code == 422
        assert message in read_words(answer)
        shop.refresh_from_db()
        assert shop.request_link == ""
        assert events("api.request_link_changed") == []


class TestEnabling:
    def post(self, client: Client, api: Api, **given: str) -> Response:
        return client.post(reverse("admin:keys_api_enable", args=[api.pk]), given)

    def test_is_confirmed_for_one_account(self, client: Client, support: User, shop: Api) -> None:
        account, other = an_account(), an_account("globex")

        for given in (
            {},
            {"account": "acme"},
            {"account": "acme", "password": "x"},
            {"account": "no", "password": PASSWORD},
        ):
            assert self.post(client, shop, **given).status_code == 422
        assert not Enablement.objects.filter(api=shop).exists()
        done = self.post(client, shop, account=" ACME ", password=PASSWORD)
        assert "Acme now has the API Shop" in read_words(client.get(done["Location"]))
        assert list(Enablement.objects.filter(api=shop).values_list("account", flat=True)) == [account.pk]
        [event] = events("api.enabled")
        body = json.loads(event.body)
        assert (body["actor"]["label"], body["account_id"]) == (support.email, account.pk)
        assert other.pk != account.pk

    def test_again_changes_nothing(self, client: Client, support: User, shop: Api) -> None:
        an_account()
        for _ in range(2):
            answer = self.post(client, shop, account="acme", password=PASSWORD)
        assert "already had the API Shop" in read_words(client.get(answer["Location"]))
        assert len(events("api.enabled")) == 1
