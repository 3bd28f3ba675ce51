"""The search over everything: each kind is found, only by who may see it, and what may be a secret is not sent back."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import resolve, reverse

from accounts.models import Account, User
from core.permissions import Role
from keys.models import Key
from keys.search.views.hits import PAGES
from keys.services import CreatedKey
from tests.access.table import TABLE
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key
from tests.responses import Response, read_page, read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(signed_in: User, acme: Account) -> Account:
    return acme


@pytest.fixture
def key(account: Account, alice: User) -> Key:
    a_billing_key(alice, name="Partner of the south")
    return a_billing_key(alice, "198.51.100.0/24", name="Partner of the north").key


def ask(client: Client, text: str, *, live: bool = True) -> Response:
    return client.post("/search/", {"text": text}, headers={"HX-Request": "true"} if live else {})


def list_hits(client: Client, text: str) -> dict[str, list[str]]:
    """Return the labels of what is found, by kind."""
    groups = ask(client, text).context["groups"]
    return {group.heading: [hit.label for hit in group.hits] for group in groups}


def test_each_kind_is_found(client: Client, account: Account, alice: User, key: Key) -> None:
    bob = a_user(account, "Bob Partner")
    offices = an_ip_list(alice, "198.51.100.40", name="Partner offices")
    call = a_call(account, key_id=key.public_id)
    assert list_hits(client, "partner") == {
        "API keys": ["Partner of the north", "Partner of the south"],
        "Users": [bob.nickname],
        "IP lists": [offices.name],
    }
    assert list_hits(client, key.public_id) == {"API keys": [key.name]}
    assert list_hits(client, f"kw_{key.public_id}_********") == {"API keys": [key.name]}
    assert list_hits(client, key.public_id[-4:])["API keys"] == [key.name]
    assert list_hits(client, "alice@")["Users"] == ["Alice"]
    addresses = list_hits(client, "198.51.100.40")["Addresses"]
    assert addresses == [
        "Calls from 198.51.100.40",
        "Partner of the north allows 198.51.100.40",
        "Partner offices contains 198.51.100.40",
    ]
    assert list_hits(client, "203.0.113.0/24")["Addresses"] == ["Calls from 203.0.113.0/24"]
    assert list_hits(client, str(call)) == {"Calls and events": [f"Call {call}"]}
    event = since_the_beginning().filter(name="key.created").last()
    assert event is not None
    [sentence] = list_hits(client, f"#{event.number}")["Calls and events"]
    assert "created the key" in sentence
    assert list_hits(client, "audit") == {"Pages": ["Audit trail"]}
    assert list_hits(client, "billing")["APIs"] == ["Billing"]
    assert list_hits(client, "no such thing") == {}


def test_every_link_opens(client: Client, account: Account, alice: User, key: Key) -> None:
    an_ip_list(alice, "198.51.100.40", name="Partner offices")
    for text in ("partner", "198.51.100.40", "a", str(a_call(account)), "1"):
        for group in ask(client, text).context["groups"]:
            for url in [hit.url for hit in group.hits] + [group.more] * bool(group.more):
                assert client.get(url).status_code in (200, 302), url


def test_more_than_a_few_lead_to_the_list(client: Client, alice: User, account: Account) -> None:
    for number in range(7):
        a_billing_key(alice, name=f"Robot {number}")
    [group] = ask(client, "robot").context["groups"]
    assert len(group.hits) == 6
    assert group.more == "/keys/?q=robot"


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (Role.ACCOUNT_READER, {"API keys", "IP lists", "Addresses", "Calls and events", "Pages"}),
        (Role.AUDITOR, {"API keys", "Users", "IP lists", "Addresses", "Calls and events", "Pages"}),
        (None, {"API keys", "Pages"}),
    ],
)
def test_only_what_the_role_may_see_is_found(
    client: Client, account: Account, alice: User, key: Key, role: Role | None, seen: set[str]
) -> None:
    user = a_user(account, "Bea", *([role] if role else []))
    an_ip_list(alice, "198.51.100.40", name="Partner offices")
    a_user(account, "Partner person")
    a_billing_key(alice, name="Partner of Bea", owner=user)
    call = a_call(account)
    event = since_the_beginning().filter(name="key.created").last()
    assert event is not None
    client.force_login(user)
    kinds: set[str] = set()
    for text in ("partner", "198.51.100.40", str(call), "pr", "users"):
        kinds |= list_hits(client, text).keys()
    assert kinds == seen
    if role is None:
        assert list_hits(client, "partner") == {"API keys": ["Partner of Bea"]}
    assert bool(list_hits(client, str(event.number)).get("Calls and events")) == (role == Role.AUDITOR)


def test_nothing_of_another_account_is_found(client: Client, account: Account, alice: User) -> None:
    eve = a_user(an_account("bolt"), "Evelyn", Role.ADMINISTRATOR)
    theirs = a_billing_key(eve, "198.51.100.7", name="Their robot").key
    an_ip_list(eve, "198.51.100.7", name="Their offices")
    call = a_call(eve.account, key_id=theirs.public_id)
    for text in ("their", "evelyn", theirs.public_id, str(call), "1234567"):
        assert list_hits(client, text) == {}
    assert list_hits(client, "198.51.100.7") == {"Addresses": ["Calls from 198.51.100.7"]}


def test_a_page_is_offered_to_whom_it_opens() -> None:
    rows = {row.route: row for row in TABLE}
    assert not [name for _, name in PAGES if name not in rows or rows[name].of]
    assert all(resolve(reverse(name)).func.permissions for _, name in PAGES)  # type: ignore[attr-defined]


def test_the_only_match_is_opened_and_several_are_listed(client: Client, key: Key) -> None:
    assert ask(client, "north", live=False).headers["Location"] == f"/keys/{key.public_id}/"
    several = ask(client, "partner", live=False)
    assert several.status_code == 200
    assert 'value="partner"' in read_page(several)
    assert "Partner of the south" in read_words(several)
    assert not since_the_beginning().filter(name="keys.searched").exists()


def test_a_pasted_token_goes_to_the_finder_and_is_not_sent_back(
    client: Client, account: Account, made: CreatedKey
) -> None:
    for text in (made.token, f"Bearer {made.token}", f"GET /customers 403 {made.token}"):
        live = ask(client, text)
        assert "Press Enter to find the key of this token" in read_words(live)
        assert made.token not in live.content.decode()
        page = ask(client, text, live=False)
        assert "1 key found by a token" in read_words(page)
        assert made.token not in page.content.decode()
    # Once for each Enter, never while it is typed.
    assert since_the_beginning().filter(name="keys.searched").count() == 3


def test_what_names_nothing_is_looked_for_by_the_finder(client: Client, account: Account, made: CreatedKey) -> None:
    call = a_call(account, key_id=made.key.public_id)
    page = ask(client, f'"GET /customers" 403 {call}', live=False)
    assert "found by a request ID" in read_words(page)


def test_who_may_not_find_tokens_is_told_who_can(client: Client, account: Account, made: CreatedKey) -> None:
    client.force_login(a_user(account, "Rita", Role.ACCOUNT_READER))
    for live in (True, False):
        page = ask(client, made.token, live=live)
        assert "An Administrator or Auditor of the account can look it up" in read_words(page)
        assert made.token not in page.content.decode()
    assert not since_the_beginning().filter(name="keys.searched").exists()


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "%", "a\nb", "é" * 300, "#0", "9" * 30, str(uuid.UUID(int=7)), "'\"<b>"]
)
def test_no_text_is_an_error(client: Client, account: Account, text: str) -> None:
    assert ask(client, text).status_code == 200
    assert ask(client, text, live=False).status_code in (200, 302, 422)


def test_the_dialog_and_the_page_are_the_same_form(client: Client, account: Account) -> None:
    dialog = client.get("/search/", headers={"HX-Request": "true"})
    assert "<html" not in dialog.content.decode()
    for page in (dialog, client.get("/search/")):
        assert 'method="post" action="/search/"' in read_page(page)
        assert page.headers["Cache-Control"] == "no-store"
    assert 'id="search-open" href="/search/"' in read_page(client.get("/keys/"))
