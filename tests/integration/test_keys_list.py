"""The list of keys: its columns, search, filters, sorting, pages, and what a row costs."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import ListSettings, User
from core.lists import PAGE_SIZE
from core.permissions import Role
from keys.models import Api, Enablement, Key, SecretUse
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_secret
from tests.factories.keys import a_billing_key, a_key_of, billing_for
from tests.responses import Response

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in", "billing_enabled")]


def names(response: Response) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<td class="name"><a[^>]*>([^<]*)</a>', response.content.decode())


ALL = ["Created", "Status", "Name", "Owner", "API", "Token", "Modules", "IP ACL", "Last used", "Actions"]
OF_ONE = ["Created", "Status", "Name", "Owner", "Token", "Modules", "IP ACL", "Secret age", "Last used", "Actions"]
OF_NICKNAMES = ["Created", "Status", "Nickname", "User status", "API ID", "API Key", "Modules"]
EVERY = (
    *("Created", "Status", "Name", "Owner", "User status", "API", "API ID", "Token", "Modules", "IP ACL"),
    *("Secret age", "Last used", "Actions"),
)


def headings(client: Client, page: str = "/keys/") -> list[str]:
    """Return the headings that are shown; others are only printed."""
    found = re.findall(r'<th scope="col"(?! hidden).*?</th>', client.get(page).content.decode(), re.DOTALL)
    return [heading for heading in (re.sub("<[^>]*>", "", cell).strip() for cell in found) if heading]


def choose(client: Client, *columns: str, page_size: int = PAGE_SIZE) -> None:
    """Choose these columns, in this order."""
    ordered = columns if "name" in columns else ("name", *columns)
    places = {f"position_{name}": place for place, name in enumerate(ordered, 1)}
    answer = client.post("/lists/keys/columns/", {"columns": columns, "page_size": page_size, **places})
    assert answer.headers["Location"] == "/keys/"


def test_a_row_says_what_a_key_is_and_never_its_token(client: Client, alice: User):
    made = a_billing_key(alice, "203.0.113.0/24", modules=frozenset({"cdrs", "balance"}))
    SecretUse.objects.create(secret=made.key.secrets.get(), used_at=timezone.now(), address="203.0.113.8")
    page = client.get("/keys/").content.decode()

    assert f"kw_{made.key.public_id}_********" in page
    assert "2 of 5" in page
    assert "203.0.113.0/24" in page
    assert made.token not in page


class TestColumns:
    @pytest.mark.parametrize(
        ("slug", "wanted"),
        [
            ("", ALL),
            ("billing", OF_ONE),
            ("lms-call-logic", [*OF_NICKNAMES, "Last used", "Actions"]),
            ("lynx", [*OF_NICKNAMES, "Last used", "Actions"]),
        ],
    )
    def test_at_most_ten_are_shown(self, client: Client, alice: User, slug: str, wanted: list[str]):
        a_key_of(slug or "billing", alice)

        assert headings(client, f"/keys/?api={slug}" if slug else "/keys/") == wanted
        assert len(wanted) <= 10

    def test_others_are_those_chosen_and_a_reset_takes_the_choice_back(self, client: Client, alice: User):
        a_billing_key(alice)
        page = "/keys/?api=billing&status=active"
        link = re.search(r'href="(/lists/keys/columns/[^"]*)"', client.get(page).content.decode())
        assert link
        every = ("created", "status", "owner", "user_status", "api", "api_id", "token", "modules", "addresses", "age")
        answer = client.post(html.unescape(link[1]), {"columns": [*every, "used"], "page_size": 50})

        assert answer.headers["Location"] == page
        assert sorted(headings(client)) == sorted(EVERY)
        choose(client, "used", "name", "created")
        assert headings(client) == ["Last used", "Name", "Created", "Actions"]
        choose(client, "used")
        assert headings(client) == ["Name", "Last used", "Actions"]
        client.post("/lists/keys/columns/", {"reset": "1"})
        assert headings(client) == ALL

    def test_the_choice_is_the_users_own(self, client: Client, alice: User):
        choose(client, "used", page_size=25)
        many_keys(alice, 26)
        bob = a_user(alice.account, "Bob", Role.ACCOUNT_READER)
        others = Client()
        others.force_login(bob)

        assert (headings(client), len(names(client.get("/keys/")))) == (["Name", "Last used", "Actions"], 25)
        assert (headings(others), len(names(others.get("/keys/")))) == (ALL, 26)

    def test_nicknames_keep_theirs_whatever_is_chosen(self, client: Client, alice: User):
        a_key_of("lynx", alice)
        choose(client, "age")

        assert headings(client, "/keys/?api=lynx") == [*OF_NICKNAMES, "Secret age", "Actions"]

    def test_what_is_no_column_is_refused_in_the_form_and_ignored_in_the_row(self, client: Client, alice: User):
        a_billing_key(alice)
        for given in (
            {"columns": ["colour"], "page_size": 50},
            {"page_size": 51},
            {"page_size": 50, "position_used": 0},
        ):
            assert client.post("/lists/keys/columns/", given).status_code == 422
        ListSettings.objects.create(user=alice, list_name="keys", columns=["colour"], page_size=50)
        assert headings(client) == ALL

    def test_an_inactive_owner_is_seen_without_the_column_too(self, client: Client, alice: User):
        bob = a_user(alice.account, "Bob")
        a_billing_key(alice, owner=bob)
        assert "Inactive" not in client.get("/keys/").content.decode()
        User.objects.filter(pk=bob.pk).update(is_active=False)
        for chosen in ("owner", "user_status"):
            choose(client, chosen)
            page = re.sub("<td hidden.*?</td>", "", client.get("/keys/").content.decode(), flags=re.DOTALL)
            assert page.count("Inactive") == 1


COLUMNS = ("created", "name", "owner", "used", "age")


def many_keys(owner: User, count: int) -> None:
    api = billing_for(owner.account)
    Key.objects.bulk_create(
        Key(account=owner.account, api=api, owner=owner, name=f"k{n}", public_id=f"{n:012}") for n in range(count)
    )


def link(response: Response, rel: str) -> str:
    """Where the page's foot leads, empty if nowhere."""
    found = re.search(rf'href="([^"]*)" rel="{rel}"', response.content.decode())
    return "/keys/" + html.unescape(found[1]) if found else ""


def test_each_status_is_told_and_filtered(client: Client, alice: User):
    soon = timezone.now() + timedelta(days=13)
    a_billing_key(alice, name="Plain")
    a_billing_key(alice, name="Later", expires_at=soon + timedelta(days=2))
    a_billing_key(alice, name="Soon", expires_at=soon)
    over = a_billing_key(alice, name="Over", expires_at=soon).key
    Key.objects.filter(pk=over.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    a_billing_key(alice, name="Off", expires_at=soon, enabled=False)

    found = {status: names(client.get(f"/keys/?status={status}&sort=name")) for status in (
        *("active", "expires_soon", "expired", "disabled"),
    )}  # fmt: skip
    assert found == {
        "active": ["Later", "Plain"],
        "expires_soon": ["Soon"],
        "expired": ["Over"],
        "disabled": ["Off"],
    }


def test_search_is_by_word_start_owner_api_id_and_last_four(client: Client, alice: User):
    bob = a_user(alice.account, "Robert")
    robot = a_billing_key(alice, name="Nightly billing-robot").key
    a_billing_key(alice, name="Über (Test) 50%", owner=bob)

    def find(text: str) -> list[str]:
        return names(client.get("/keys/", {"q": text, "sort": "name"}))

    assert find("bill") == find("NIGHT") == ["Nightly billing-robot"]
    assert find("robo") == ["Nightly billing-robot"]
    assert find("rob") == ["Nightly billing-robot", "Über (Test) 50%"]
    assert find("illing") == []
    assert find("über") == find("(test") == find("50%") == ["Über (Test) 50%"]
    assert find("robert@acme") == ["Über (Test) 50%"]
    assert find(robot.public_id) == find(robot.public_id[-4:]) == ["Nightly billing-robot"]
    assert find(robot.public_id[-5:]) == []
    for pattern in (".*", "\\", "[", "a{1,9999}", "(?i)", "%", "_", "'"):
        assert find(pattern) == []


@pytest.mark.parametrize(
    "query",
    [
        "status=gone",
        "api=nothing",
        "sort=colour",
        "page=1",
        "after=x",
        "after=2026-01-01~1",
        "after=2026-01-01T00:00:00Z~0",
        "after=2026-01-01T00:00:00Z~99999999999999999999",
        "after=name~1",
        "sort=name&after=name",
        "after=2026-01-01T00:00:00Z~1&before=2026-01-01T00:00:00Z~1",
        "owner=Nobody",
        "module=cdrs",
        "api=billing&module=nothing",
        "unused=31",
        "expires=soon",
        "addresses=none",
        "user_status=gone",
        "secret=new",
        "age=1",
        "status=active&status=disabled",
        "q=%00",
        "q=" + "x" * 201,
        "stauts=active",
    ],
)
def test_a_filter_that_means_nothing_shows_no_rows(client: Client, alice: User, query: str):
    a_billing_key(alice)

    for headers in ({}, {"HX-Request": "true"}):
        response = client.get(f"/keys/?{query}", headers=headers)
        assert response.status_code == 400
        page = response.content.decode()
        assert "No results" in page
        assert "Invoice robot" not in page


@pytest.mark.parametrize("sort", COLUMNS)
def test_every_sort_has_its_reverse(client: Client, alice: User, sort: str):
    bob = a_user(alice.account, "Bob")
    for name, owner in (("a", bob), ("B", alice), ("c", None)):
        key = a_billing_key(alice, name=name, owner=owner).key
        if name != "B":
            SecretUse.objects.create(
                secret=key.secrets.get(), used_at=timezone.now() + timedelta(minutes=ord(name)), address="192.0.2.1"
            )
    up, down = names(client.get(f"/keys/?sort={sort}")), names(client.get(f"/keys/?sort=-{sort}"))

    assert sorted(up) == ["B", "a", "c"]
    assert up == down[::-1]


@pytest.mark.parametrize(
    ("sort", "narrowed"),
    [("name", ""), *((sign + name, "&status=active&q=k") for name in COLUMNS for sign in ("", "-"))],
)
def test_pages_follow_each_other_without_gap(client: Client, alice: User, sort: str, narrowed: str):
    many_keys(alice, 2 * PAGE_SIZE + 3)
    url, seen = f"/keys/?sort={sort}{narrowed}", []
    while url:
        response = client.get(url)
        seen.append((url, names(response)))
        url = link(response, "next")

    assert [len(page) for _, page in seen] == [PAGE_SIZE, PAGE_SIZE, 3]
    assert sorted(name for _, page in seen for name in page) == sorted(f"k{n}" for n in range(2 * PAGE_SIZE + 3))
    # And back, to the very same pages.
    for _, page in seen[-2::-1]:
        response = client.get(link(response, "prev"))
        assert names(response) == page
    assert link(response, "prev") == ""


def page_range(response: Response) -> str:
    found = re.search(r"data-summary>([^<]*)<", response.content.decode())
    assert found
    return found[1]


class TestRange:
    def test_each_page_says_which_keys_it_shows(self, client: Client, alice: User):
        many_keys(alice, 2 * PAGE_SIZE + 3)
        first = client.get("/keys/")
        second = client.get(link(first, "next"))
        last = client.get(link(second, "next"))
        pages = (first, second, last, client.get(link(last, "prev")), client.get(link(second, "prev")))

        assert [page_range(page) for page in pages] == [
            *("1–50 of 103 keys", "51–100 of 103 keys", "101–103 of 103 keys"),
            *("51–100 of 103 keys", "1–50 of 103 keys"),
        ]

    def test_filters_and_tabs_are_counted(self, client: Client, alice: User):
        many_keys(alice, PAGE_SIZE + 1)
        a_key_of("lynx", alice)

        assert page_range(client.get("/keys/")) == "1–50 of 52 keys"
        assert page_range(client.get("/keys/?api=lynx")) == "1 key"
        assert page_range(client.get("/keys/?api=billing")) == "1–50 of 51 keys"
        assert page_range(client.get("/keys/?status=active&q=k")) == "1–50 of 51 keys"
        tabs = re.findall(r'api=(\w+)"[^>]*>[^<]*<span class="count">([^<]*)<', client.get("/keys/").content.decode())
        assert tabs == [("billing", "51"), ("lynx", "1")]

    def test_very_many_are_not_counted(self, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch):
        for module in ("core.lists", "keys.filters", "keys.selectors.keys"):
            monkeypatch.setattr(f"{module}.MAX_ROWS_COUNTED", PAGE_SIZE)
        many_keys(alice, PAGE_SIZE + 1)
        a_key_of("lynx", alice)

        assert page_range(client.get("/keys/")) == "1–50 of 50+ keys"
        assert page_range(client.get("/keys/?status=active")) == "1–50 keys"
        assert b'class="count"' not in client.get("/keys/").content

    def test_a_cursor_without_its_number_says_how_many_are_shown(self, client: Client, alice: User):
        many_keys(alice, PAGE_SIZE + 3)
        url = link(client.get("/keys/"), "next")

        assert page_range(client.get(re.sub("&start=[0-9]+", "", url))) == "3 keys"
        assert client.get("/keys/?start=x").status_code == 400


def test_the_first_page_is_whole_however_it_is_reached(client: Client, alice: User):
    """A key that came in between is not a page of its own."""
    many_keys(alice, PAGE_SIZE + 1)
    back = client.get(link(client.get(link(client.get("/keys/?sort=name"), "next")), "prev"))
    assert (names(back)[0], link(back, "prev")) == ("k0", "")
    a_billing_key(alice, name="a first one")
    back = client.get(link(client.get(link(client.get("/keys/?sort=name"), "next")), "prev"))
    assert names(back)[0] == "a first one"


def test_a_tab_for_each_api_when_there_are_several(client: Client, alice: User):
    assert 'class="tabs"' not in client.get("/keys/").content.decode()
    second = Api.objects.create(slug="second", name="Second", document={}, policy=billing_for(alice.account).policy)
    Enablement.objects.create(account=alice.account, api=second)
    a_billing_key(alice)

    page = client.get("/keys/?api=second").content.decode()
    assert re.search(r'href="/keys/\?api=second" aria-current="page">Second', page)
    assert "Invoice robot" not in page


def test_a_row_costs_no_query(client: Client, alice: User):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/keys/")
        return len(queries)

    a_billing_key(alice, "203.0.113.7", modules=frozenset({"cdrs"}))
    cost()
    one = cost()
    for _ in range(20):
        a_billing_key(a_user(alice.account, f"user{_}", Role.ADMINISTRATOR), "203.0.113.7", "2001:db8::/32")
    assert cost() == one
    # Session, user, account, APIs, the page's keys; these with all that is shown of them, their APIs, the modules of
    # these; owners to choose from; what the user chose for the list, with the saved filters. The use of the session is
    # stored once a minute.
    assert one == 10


def test_what_a_row_offers_leads_to_the_keys_own_pages(client: Client, alice: User):
    on = a_billing_key(alice, name="On & on").key
    off = a_billing_key(alice, name="Off", enabled=False).key
    page = client.get("/keys/").content.decode()

    offered = dict.fromkeys(("detail", "docs", "edit", "change", "reassign", "reveal", "delete"), (on, off))
    for name, keys in (offered | {"disable": (on,), "enable": (off,)}).items():
        for key in keys:
            address = reverse(f"key-{name}", args=[key.public_id])
            assert len(re.findall(rf'(?:href|action)="{address}(?:\?back=)?"', page)) == 1, address
    assert reverse("key-enable", args=[on.public_id]) not in page
    assert page.count("On &amp; on") == 16
    assert "On & on" not in page
    assert "&amp;amp;" not in page


class TestFilters:
    def find(self, client: Client, **query: str) -> list[str]:
        return names(client.get("/keys/", {"sort": "name", **query}))

    def test_owner_is_a_nickname_in_any_case(self, client: Client, alice: User):
        bob = a_user(alice.account, "Bob")
        a_billing_key(alice, name="hers")
        a_billing_key(alice, name="his", owner=bob)

        assert self.find(client, owner="bob") == ["his"]
        assert self.find(client, owner="bob", sort="owner") == ["his"]
        page = client.get("/keys/?owner=carol").content.decode()
        assert escape('There is no user "carol" in this account') in page

    def test_module_is_one_of_the_tabs_api(self, client: Client, alice: User):
        a_billing_key(alice, name="all")
        a_billing_key(alice, name="some", modules=frozenset({"cdrs"}))
        a_billing_key(alice, name="other", modules=frozenset({"balance"}))

        assert self.find(client, api="billing", module="cdrs") == ["all", "some"]
        for role in ("administrator", "partner-admin", "account-reader"):
            a_key_of("sip-caller", alice, name=role, modules=frozenset({role}))
        # What contains it, too.
        assert self.find(client, api="sip-caller", module="account-reader") == ["account-reader", "administrator"]
        page = client.get("/keys/?api=sip-caller").content.decode()
        assert sorted(re.findall(r"<summary>(\d of \d)</summary>", page)) == ["1 of 4", "1 of 4", "4 of 4"]
        assert escape("Select an API's tab before filtering") in client.get("/keys/?module=cdrs").content.decode()

    def test_unused_counts_from_the_creation_of_what_was_never_used(self, client: Client, alice: User):
        now = timezone.now()
        for name, created, used in (("new", 1, None), ("old", 100, None), ("late", 100, 40), ("busy", 100, 2)):
            key = a_billing_key(alice, name=name).key
            Key.objects.filter(pk=key.pk).update(created_at=now - timedelta(days=created))
            if used is not None:
                at = now - timedelta(days=used)
                SecretUse.objects.create(secret=key.secrets.get(), used_at=at, address="192.0.2.1")

        for sort in COLUMNS:
            assert sorted(self.find(client, unused="30", sort=sort)) == ["late", "old"]
            assert sorted(self.find(client, unused="90", sort=sort)) == ["old"]
            assert sorted(self.find(client, unused="never", sort=sort)) == ["new", "old"]

    def test_what_is_open_to_more_than_it_needs_is_found(self, client: Client, alice: User):
        """Unrestricted, never expiring, of an inactive owner, with an old secret that still works."""
        gone = a_user(alice.account, "Gone")
        soon = timezone.now() + timedelta(days=3)
        a_billing_key(alice, name="open")
        a_billing_key(alice, "203.0.113.7", name="office", expires_at=soon, owner=gone)
        ip_list = an_ip_list(alice, "198.51.100.0/24")
        a_billing_key(alice, name="listed", ip_lists=frozenset({ip_list.pk}), expires_at=soon)
        for name, retires_at in (("changing", soon), ("changed", timezone.now())):
            key = a_billing_key(alice, "203.0.113.7", name=name, expires_at=soon).key
            a_secret(key, "kw_old", retires_at=retires_at)
        User.objects.filter(pk=gone.pk).update(is_active=False)

        for sort in ("created", "name", "-owner", "age", "used"):
            assert sorted(self.find(client, addresses="any", sort=sort)) == ["open"]
            assert sorted(self.find(client, addresses="restricted", sort=sort)) == [
                *("changed", "changing", "listed", "office")
            ]
            assert sorted(self.find(client, expires="never", sort=sort)) == ["open"]
            assert sorted(self.find(client, user_status="inactive", sort=sort)) == ["office"]
            assert sorted(self.find(client, secret="old", sort=sort)) == ["changing"]

    def test_expires_within(self, client: Client, alice: User):
        for name, days in (("over", -1), ("soon", 6), ("later", 29)):
            key = a_billing_key(alice, name=name).key
            Key.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=days))
        a_billing_key(alice, name="never")

        assert self.find(client, expires="7") == ["soon"]
        assert self.find(client, expires="30") == ["later", "soon"]

    def test_secret_older_than(self, client: Client, alice: User):
        for name, days in (("young", 80), ("old", 100), ("older", 400)):
            key = a_billing_key(alice, name=name).key
            made = timezone.now() - timedelta(days=days)
            Key.objects.filter(pk=key.pk).update(created_at=made)
            key.secrets.update(created_at=made)

        for sort in COLUMNS:
            assert sorted(self.find(client, age="90", sort=sort)) == ["old", "older"]
            assert self.find(client, age="365", sort=sort) == ["older"]

    def test_each_has_a_chip_and_all_hold_together(self, client: Client, alice: User):
        a_billing_key(alice, name="Night robot")
        query = {"api": "billing", "q": "night", "status": "active", "owner": "alice", "unused": "never"}
        page = client.get("/keys/", query).content.decode()

        assert re.findall(r'class="chip" href="[^"]*"><span class="hush">Remove </span>([^<]*)<', page) == [
            *("Search: night", "Status: Active", "Owner: alice", "Unused for: Never used"),
        ]  # fmt: skip
        assert self.find(client, **query) == ["Night robot"]
        assert self.find(client, **query | {"q": "day"}) == []


def test_the_last_use_outlives_the_secret_that_was_used(client: Client, alice: User):
    key = a_billing_key(alice, name="rotated").key
    at = timezone.now() - timedelta(days=3)
    SecretUse.objects.create(secret=key.secrets.get(), used_at=at, address="192.0.2.1")
    key.secrets.all().delete()

    assert "3 days ago" in client.get("/keys/").content.decode()


def test_the_owner_sorts_by_the_name_they_have_now(client: Client, alice: User):
    bob = a_user(alice.account, "Bob")
    a_billing_key(alice, name="hers")
    his = a_billing_key(alice, name="his", owner=bob).key
    assert names(client.get("/keys/?sort=owner")) == ["hers", "his"]
    User.objects.filter(pk=bob.pk).update(nickname="Aaron")
    assert names(client.get("/keys/?sort=owner")) == ["his", "hers"]
    Key.objects.filter(pk=his.pk).update(owner=alice)
    assert names(client.get("/keys/?sort=-owner")) == ["his", "hers"]


def test_an_owner_without_a_role_sees_their_own_and_no_more(client: Client, alice: User):
    bob = a_user(alice.account, "Bob")
    a_billing_key(alice, name="hers")
    a_billing_key(alice, name="his", owner=bob)
    client.force_login(bob)
    page = client.get("/keys/").content.decode()

    for query in ("", "?q=h", "?status=active", "?sort=owner", "?sort=used&api=billing"):
        assert names(client.get(f"/keys/{query}")) == ["his"]
    assert "Alice" not in page
    for gone in ('name="owner"', 'name="key"', "/keys/disable/", "/keys/export/", "Add API key"):
        assert gone not in page
    assert client.get("/keys/?owner=Alice").status_code == 400


def test_nobody_sees_another_accounts_keys(client: Client, alice: User):
    a_billing_key(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR), name="Secret plan")

    for query in ("", "?q=secret", "?q=Greta", "?api=billing", "?status=active"):
        assert names(client.get(f"/keys/{query}")) == []


def test_an_empty_list_offers_the_next_step(client: Client, alice: User):
    def page(query: str = "") -> Any:
        return client.get(f"/keys/{query}").content.decode()

    assert "No API keys yet" in page()
    assert 'href="/keys/new/?api=billing"' in page()
    assert "No keys match" in page("?q=x")
