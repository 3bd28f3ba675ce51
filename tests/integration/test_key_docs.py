"""What the documentation of a key says, for each of the six presets, and to whom; and the reference of its API."""

from __future__ import annotations

import re
from hmac import digest
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from config.demo import keys as demo_keys
from core.actor import Actor
from core.permissions import Role
from keys.decision import access
from keys.decision.refusal_words import WORDS
from keys.models import Api, Key
from keys.rotation_schedule import Overlap, RotationSchedule
from tests.factories.accounts import a_user, an_account, with_totp
from tests.factories.keys import LEAST, a_key_of, api_for
from tests.responses import without_breaks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
PRESETS = sorted(LEAST)
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SIGNED = {"lms-call-logic", "lynx"}
SECTIONS = ["introduction", "overview", "modules", "credential", "parameters", "errors", "limits"]


def support() -> User:
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    return sam


def docs(client: Client, key: Key, page: str = "docs") -> str:
    response = client.get(reverse(f"key-{page}", args=[key.public_id]))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    return without_breaks(unescape(response.content.decode()))


def samples(page: str) -> dict[str, str]:
    return dict(re.findall(r'<code data-sample="(\w+)">(.*?)</code>', page, re.DOTALL))


def ruled(slug: str, **words: Any) -> None:
    api = Api.objects.get(slug=slug)
    api.policy |= words
    api.save()


@pytest.mark.parametrize("slug", PRESETS)
def test_every_section_is_there_in_its_order_and_in_the_contents(client: Client, alice: User, slug: str):
    key = a_key_of(slug, alice).key
    page = docs(client, key)

    assert re.findall(r'<section class="card" id="(\w+)">', page) == SECTIONS
    assert re.findall(r'<li><a href="#(\w+)">', page)[: len(SECTIONS)] == SECTIONS
    assert key.api.name in page
    assert f"<code>{key.public_id}</code>" in page


@pytest.mark.parametrize("slug", PRESETS)
def test_the_secret_is_never_there(client: Client, alice: User, slug: str):
    flags: dict[str, Any] = {"recordings": True} if slug == "lms-call-logic" else {}
    made = a_key_of(slug, alice, **flags)
    pages = [docs(client, made.key)] + ([docs(client, made.key, "call-download")] if slug == "lms-call-logic" else [])

    for page in pages:
        assert made.token not in page
        assert made.token.rsplit("_", 1)[1] not in page
        assert made.key.public_id in page


@pytest.mark.parametrize("slug", PRESETS)
def test_it_says_how_the_credential_goes(client: Client, alice: User, slug: str):
    key = a_key_of(slug, alice).key
    page = docs(client, key)
    found = samples(page)

    assert list(found) == ["php", "python", "java", "bash"] + ([] if slug in SIGNED else ["curl"])
    assert all("KEYWARD_SECRET" in code for code in found.values())
    if slug in SIGNED:
        assert "Signature algorithm" in page
        for name in ("X-Api-Id", "X-Timestamp", "X-Nonce", "X-Body-Sha256", "X-Signature"):
            assert f'<th scope="row" class="name"><code>{name}</code>' in page
        assert all(key.public_id in code for code in found.values())
    else:
        assert "How to send the credential" in page
    lines = {
        "cloud-pbx": ["Authorization: Basic <Base64 of username:password>"],
        "billing": ["Authorization: Token <token>", "Authorization: Bearer <token>"],
        "sip-caller": ["Authorization: Bearer <token>"],
        "textpeak": ["Authorization: <token>", "Authorization: Bearer <token>"],
    }.get(slug, [])
    assert re.findall(r'<pre class="line"><code>(Authorization.*?)</code>', page) == lines


def test_an_example_is_worked_out_that_anyone_can_check(client: Client, alice: User):
    page = docs(client, a_key_of("lynx", alice).key)
    secret = re.search(r"With the secret <code>(kw_\w+)</code>", page)
    text, signature = re.findall(r'<pre class="line"><code>((?:GET\n.*?|[0-9a-f]{64}))</code>', page, re.DOTALL)

    assert secret
    assert text.count("\n") == 5
    assert digest(secret[1].encode(), text.encode(), "sha256").hex() == signature


def test_queries_that_are_easily_signed_wrong_stand_beside_what_is_signed(client: Client, alice: User):
    page = docs(client, a_key_of("lynx", alice).key)
    row = r'<th scope="row" class="name"><code>{}</code></th><td data-label="Signed"><code>{}</code></td>'

    for sent, signed in {
        "id=9&id=10&id=1": "id=1&id=10&id=9",
        "a10=1&a-b=2&a=3": "a=3&a-b=2&a10=1",
        "q=a+b&r=a%20b": "q=a%2Bb&r=a%20b",
        "q=%c3%a9~*": "q=%C3%A9~%2A",
        "q&&r=": "q=&r=",
    }.items():
        assert row.format(sent, signed) in page
    assert "Canonical queries" not in docs(client, a_key_of("billing", alice).key)


def test_a_key_that_may_only_change_things_is_shown_such_a_call(client: Client, alice: User):
    page = docs(client, a_key_of("sip-caller", alice, modules=frozenset({"partner-admin"})).key)
    found = samples(page)

    assert "the example call changes data" in page
    assert """const METHOD = 'POST';""" in found["php"]
    assert "/v1/partners'" in found["php"]
    assert "--request POST" in found["curl"]
    assert all("name" in code for code in found.values())
    assert "the example call changes data" not in docs(client, a_key_of("billing", alice).key)


def test_what_a_module_contains_is_told_of_with_its_routes(client: Client, alice: User):
    page = docs(client, a_key_of("sip-caller", alice, name="Robot", modules=frozenset({"administrator"})).key)

    assert re.search(r'Contains <a href="#module-account-reader">Account Reader</a>,', page)
    for route in ("GET /v1/accounts/{account_id}/calls", "POST /v1/partners", "GET /v1/customers"):
        assert f"<code>{route}</code>" in page
    # A call that only reads is shown first.
    assert "the example call changes data" not in page

    reference = without_breaks(client.get("/apis/sip-caller/").content.decode())
    administrator = reference.partition('id="module-administrator"')[2].partition("</section>")[0]
    assert "Contains" in administrator
    assert "<code>GET /v1/accounts/{account_id}/calls</code>" in administrator


def test_only_what_is_granted_is_told_of(client: Client, alice: User):
    key = a_key_of("lms-call-logic", alice, modules=frozenset({"detailed-reports"})).key
    page = docs(client, key)

    assert "Detailed Reports" in page
    assert "menuItemId <code>101</code>" in page
    assert "GET /reports?menuItemId=101" in page
    for other in ("Summary Reports", "menuItemId=102", "/summaries/", "Buyer List", "/publishers", "/recordings/"):
        assert other not in page
    # A route with a condition takes that value alone.
    assert re.search(r"<code>menuItemId</code>.*?<code>101</code>\s*</td>", page, re.DOTALL)
    assert "<code>102</code>" not in page
    assert "LMS, Call Logic" in page


def test_a_key_of_all_modules_has_all_of_them(client: Client, alice: User):
    key = a_key_of("lms-call-logic", alice, modules=None).key
    page = docs(client, key)

    for number in (101, 102, 201, 202, 203, 204):
        assert f"menuItemId <code>{number}</code>" in page


def test_a_key_without_modules_may_call_nothing_and_is_told_so(client: Client, alice: User):
    key = a_key_of("billing", alice).key
    key.all_modules = False
    key.save()

    assert "All calls are refused until an Administrator" in docs(client, key)


@pytest.mark.parametrize("slug", PRESETS)
def test_the_parameters_have_the_six_columns(client: Client, alice: User, slug: str):
    page = docs(client, a_key_of(slug, alice).key)
    part = page[page.index('id="parameters"') : page.index('id="errors"')]

    for table in part.split("<thead>")[1:]:
        columns = ["Description", "Property name", "Required", "Multiple", "Default value", "Possible values"]
        assert re.findall(r'<th scope="col">([^<]+)</th>', table) == columns
    assert "<thead>" in part


def test_nothing_of_another_key_is_there(client: Client, alice: User):
    key, other = a_key_of("billing", alice).key, a_key_of("billing", alice, name="Warehouse").key
    page = docs(client, key)

    assert other.public_id not in page
    assert "Warehouse" not in page


def test_the_addresses_and_the_end_are_limits(client: Client, alice: User):
    page = docs(client, a_key_of("cloud-pbx", alice).key)

    assert "Calls are accepted only from <code>203.0.113.0/24</code>" in page
    assert "Calls are accepted from any address" in docs(client, a_key_of("billing", alice).key)
    assert re.search(r"<dt>Expires</dt><dd><time", docs(client, a_key_of("sip-caller", alice).key))
    rotated = a_key_of("billing", alice, name="Rotated", scheduled_rotation=RotationSchedule(90, Overlap.WEEK)).key
    assert "The secret is changed every 90 days. The old one then works for 7 days more" in docs(client, rotated)


class TestRefusals:
    def test_every_code_of_the_gateway_has_words(self):
        assert WORDS.keys() == access.STATUS.keys()

    @pytest.mark.parametrize("slug", PRESETS)
    def test_those_that_can_be_met_are_in_the_table(self, client: Client, alice: User, slug: str):
        page = docs(client, a_key_of(slug, alice).key)
        named = set(
            re.findall(r'<th scope="row" class="name"><code>([a-z_]+)</code></th><td data-label="Status">', page)
        )
        signing = {"stale_timestamp", "replayed"}

        assert named >= access.STATUS.keys() - signing - {"secret_retired", "recordings_not_allowed"}
        assert named >= {"unknown_api", "gateway_secret"}
        assert (signing <= named) == (slug in SIGNED)
        assert ("secret_retired" in named) == (slug not in SIGNED)


class TestRequestLink:
    def test_a_host_that_nobody_named_is_said_to_be_made_up(self, client: Client, alice: User):
        page = docs(client, a_key_of("billing", alice).key)

        assert "This host is a placeholder" in page
        assert "https://api.example.com/" in samples(page)["php"]

    def test_it_is_the_policys(self, client: Client, alice: User):
        ruled("billing", request_link="https://billing.acme.example")
        page = docs(client, a_key_of("billing", alice).key)

        assert "<code>https://billing.acme.example</code>" in page
        assert "a placeholder" not in page
        assert all("https://billing.acme.example/customers" in code for code in samples(page).values())

    def test_in_the_demo_it_is_where_the_proxies_of_deploy_listen(self, client: Client, alice: User):
        demo_keys.set_request_links(Actor.from_command("demo"))

        for slug in PRESETS:
            page = docs(client, a_key_of(slug, alice).key)
            assert "a placeholder" not in page
            assert all("http://localhost:8080/" in code for code in samples(page).values())
        for example in ("nginx/keyward.conf", "caddy/Caddyfile", "haproxy/haproxy.cfg", "traefik/traefik.yaml"):
            assert re.search(r"(listen |bind |address: \"|^):?8080\b", (DEPLOY / example).read_text(), re.MULTILINE)
        assert "port_value: 8080" in (DEPLOY / "envoy/envoy.yaml").read_text()

    def test_it_is_the_documents_first_server_with_its_path(self, client: Client, alice: User):
        api = Api.objects.get(slug="billing")
        api.document |= {"servers": [{"url": "https://{place}.example/v2", "variables": {"place": {"default": "eu"}}}]}
        api.save()

        assert "<code>https://eu.example/v2</code>" in docs(client, a_key_of("billing", alice).key)


class TestRequest:
    def test_it_is_a_whole_request_that_the_key_may_make(self, client: Client, alice: User):
        ruled("lms-call-logic", request_link="https://lms.acme.example")
        page = docs(client, a_key_of("lms-call-logic", alice, modules=frozenset({"summary-reports"})).key)

        whole = "https://lms.acme.example/reports?menuItemId=102"
        assert f'<dt>Request</dt><dd><a href="{whole}" rel="noreferrer noopener"><code>GET {whole}</code></a>' in page
        assert "<dt>Base URL</dt><dd><code>https://lms.acme.example</code>" in page

    def test_one_that_changes_something_has_its_body_and_is_no_link(self, client: Client, alice: User):
        ruled("sip-caller", request_link="https://sip.acme.example")
        page = docs(client, a_key_of("sip-caller", alice, modules=frozenset({"partner-admin"})).key)

        whole = "POST https://sip.acme.example/v1/partners"
        assert f"<dt>Request</dt><dd><code>{whole}</code>" in page
        assert '<span class="muted">with the body</span> <code>{"name": ' in page

    def test_a_key_that_may_call_nothing_has_none(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        key.all_modules = False
        key.save()
        page = docs(client, key)

        assert "<dt>Request</dt><dd>None: this API key has no routes to call.</dd>" in page.replace(
            '<span class="muted">', ""
        ).replace("</span></dd>", "</dd>")


@pytest.mark.parametrize(
    ("slug", "title"),
    [("lms-call-logic", "Allowed menuItemId list"), ("lynx", "Allowed menuItemId list"), ("sip-caller", "Roles")],
)
def test_what_is_granted_is_called_as_the_api_counts_it(client: Client, alice: User, slug: str, title: str):
    page = docs(client, a_key_of(slug, alice).key)

    assert re.search(rf'<a href="#modules">\s*{title}\s*</a>', page)
    assert re.search(rf'id="modules"><h2>\s*{title}\s*</h2>', page)


class TestRecordings:
    def test_the_button_and_the_page_are_there_only_where_they_are_allowed(self, client: Client, alice: User):
        may = a_key_of("lms-call-logic", alice, recordings=True).key
        may_not = a_key_of("lms-call-logic", alice).key

        for key, there in ((may, True), (may_not, False)):
            url = reverse("key-call-download", args=[key.public_id])
            assert (url in docs(client, key)) == there
            assert (url in client.get(reverse("key-detail", args=[key.public_id])).content.decode()) == there
            assert client.get(url).status_code == (200 if there else 404)

    def test_an_api_without_recordings_has_no_such_page(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        key.recordings = True
        key.save()

        assert client.get(reverse("key-call-download", args=[key.public_id])).status_code == 404

    def test_it_has_the_algorithm_and_four_programs(self, client: Client, alice: User):
        key = a_key_of("lms-call-logic", alice, recordings=True).key
        page = docs(client, key, "call-download")

        assert "Lead ID key algorithm" in page
        assert "https://api.example.com/recordings/<lead id>?apiId=<API ID>&expires=<expiry>&leadIdKey=" in page
        assert list(samples(page)) == ["php", "python", "java", "bash"]
        assert all("KEYWARD_SECRET" in code and key.public_id in code for code in samples(page).values())
        assert "recordings_not_allowed" in page


class TestWho:
    def test_an_owner_without_a_role_sees_those_of_their_own_keys(self, client: Client, alice: User):
        olga = a_user(alice.account, "Olga")
        own = a_key_of("lms-call-logic", alice, owner=olga, recordings=True).key
        other = a_key_of("billing", alice).key
        client.force_login(olga)

        assert own.public_id in docs(client, own)
        assert own.public_id in docs(client, own, "call-download")
        assert client.get(reverse("key-docs", args=[other.public_id])).status_code == 404

    def test_support_sees_those_of_every_account_and_no_way_to_the_key(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        client.force_login(support())
        page = docs(client, key)

        assert key.public_id in page
        assert f'href="{reverse("key-detail", args=[key.public_id])}"' not in page

    def test_another_accounts_and_a_deleted_key_are_not_there(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        client.force_login(a_user(an_account("globex"), "Bob", Role.ADMINISTRATOR))
        assert client.get(reverse("key-docs", args=[key.public_id])).status_code == 404

        Key.objects.filter(pk=key.pk).update(deleted_at=key.created_at)
        for user in (alice, support()):
            client.force_login(user)
            assert client.get(reverse("key-docs", args=[key.public_id])).status_code == 404


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ACCOUNT_READER, Role.AUDITOR, None])
def test_the_list_of_keys_leads_to_them_whoever_sees_it(client: Client, alice: User, role: Role | None):
    reader = a_user(alice.account, "Rita", *[role] if role else [])
    key = a_key_of("billing", alice, owner=reader).key
    client.force_login(reader)
    page = client.get("/keys/").content.decode()

    assert f'href="{reverse("key-docs", args=[key.public_id])}"' in page
    assert (f'href="{reverse("key-delete", args=[key.public_id])}?back="' in page) == (role == Role.ADMINISTRATOR)


class TestReference:
    @pytest.mark.parametrize("slug", PRESETS)
    def test_it_has_every_operation_with_its_parameters_and_answers(self, client: Client, alice: User, slug: str):
        api = api_for(alice.account, slug)
        page = unescape(client.get(reverse("api-reference", args=[slug])).content.decode())

        for module in api.modules.all():
            assert f'id="module-{module.slug}"' in page
            for route in module.routes.all():
                assert f"{route.method} {route.template}" in page
        assert "<h4>Parameters</h4>" in page
        assert "<h4>Responses</h4>" in page
        assert "<code>200</code>" in page
        assert api.document["info"]["summary"] in page

    @pytest.mark.parametrize("which", ["reference", "key"])
    def test_of_a_large_api_a_page_shows_one_module_a_part_at_a_time(
        self, client: Client, alice: User, which: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("keys.docs.page.MAX_WHOLE_ROUTES", 3)
        monkeypatch.setattr("keys.docs.page.ROUTES_PER_PAGE", 2)
        key, api = a_key_of("billing", alice).key, Api.objects.get(slug="billing")
        address = reverse("api-reference", args=["billing"]) if which == "reference" else f"/keys/{key.public_id}/docs/"

        def list_routes(query: str) -> set[str]:
            page = without_breaks(unescape(client.get(address + query).content.decode()))
            for module in modules:
                assert f'href="?module={module.slug}#module-{module.slug}"' in page
            return set(re.findall(r"<h3><code>(.*?)</code></h3>", page))

        modules = list(api.modules.order_by("position"))
        for module in modules:
            routes = {str(route) for route in module.routes.all()}
            pages = [list_routes(f"?module={module.slug}&page={number}") for number in range(1, (len(routes) + 3) // 2)]
            assert set.union(*pages) == routes
            assert max(map(len, pages)) <= 2
        first = list_routes("")
        assert list_routes(f"?module={modules[0].slug}&page=1") == first
        beyond = (modules[0].routes.count() + 1) // 2 + 1
        for query in ("page=0", "page=-1", "page=x", "page=01", "module=none", f"page={beyond}", f"page={10**12}"):
            assert client.get(f"{address}?{query}").status_code == 404, query
        monkeypatch.setattr("keys.docs.page.MAX_WHOLE_ROUTES", 300)
        assert client.get(f"{address}?module={modules[0].slug}").status_code == 200
        for query in ("page=2", "module=none"):
            assert client.get(f"{address}?{query}").status_code == 404, query

    def test_a_change_of_the_document_is_on_the_page_at_once(self, client: Client, alice: User):
        api = api_for(alice.account, "billing")
        address = reverse("api-reference", args=["billing"])
        for summary in ("First said", "Then said"):
            api.document["paths"]["/customers"]["get"]["summary"] = summary
            api.save()
            assert summary in client.get(address).content.decode()

    def test_pages_read_no_document_again(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        for address in (reverse("api-reference", args=["billing"]), reverse("key-docs", args=[key.public_id])):
            client.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            assert not [query["sql"] for query in queries if '"document"' in query["sql"]]

    def test_a_documentation_link_takes_its_place(self, client: Client, alice: User):
        api_for(alice.account, "billing")
        ruled("billing", documentation="https://docs.example.com/billing")
        response = client.get(reverse("api-reference", args=["billing"]))

        assert response.status_code == 302
        assert response.headers["Location"] == "https://docs.example.com/billing"

    def test_an_account_sees_that_of_its_own_apis_and_support_all(self, client: Client, alice: User):
        api_for(alice.account, "billing")
        assert client.get(reverse("api-reference", args=["lynx"])).status_code == 404
        assert client.get(reverse("api-reference", args=["nothing"])).status_code == 404

        client.force_login(support())
        assert client.get(reverse("api-reference", args=["lynx"])).status_code == 200

    def test_the_tab_the_keys_page_and_the_form_that_made_it_lead_there(self, client: Client, alice: User):
        key = a_key_of("billing", alice).key
        tab = client.get("/keys/?api=billing").content.decode()
        page = client.get(reverse("key-detail", args=[key.public_id])).content.decode()

        assert 'href="/apis/billing/"' in tab
        assert 'href="/apis/billing/"' in page
        assert f'href="/keys/{key.public_id}/docs/"' in page


def test_hostile_words_of_a_document_are_text(client: Client, alice: User):
    api = Api.objects.get(slug="billing")
    api.document["info"]["summary"] = "<script>alert(1)</script>"
    api.document["paths"]["/customers"]["get"]["summary"] = '"><img src=x>'
    api.save()
    key = a_key_of("billing", alice).key

    for url in (reverse("key-docs", args=[key.public_id]), reverse("api-reference", args=["billing"])):
        page = client.get(url).content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page


def test_a_page_costs_few_questions(client: Client, alice: User, django_assert_max_num_queries: Any):
    key = a_key_of("lms-call-logic", alice, modules=None).key

    with django_assert_max_num_queries(24):
        docs(client, key)
