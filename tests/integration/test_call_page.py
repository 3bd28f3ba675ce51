"""The page of a call: links to what it names, what the key allows now, and the forms that would cure a refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, User
from core.permissions import Role
from keys.models import Address, Key
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, a_key_of
from tests.responses import read_page, read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
ELSEWHERE = "198.51.100.40"


@pytest.fixture
def account(signed_in: User, acme: Account) -> Account:
    return acme


@pytest.fixture
def key(account: Account, alice: User) -> Key:
    return a_billing_key(alice, "203.0.113.0/24", name="Partner", modules=frozenset({"customers"})).key


def call_of(key: Key, reason: str, **columns: Any) -> str:
    """Log a call of the key, refused for this reason if there is one; return the URL of its page."""
    denied = {"decision": "denied", "reason": reason, "rule": ""} if reason else {}
    named = {"key_id": key.public_id, "key_name": key.name, "api": key.api.slug, "owner": key.owner.nickname}
    return f"/logs/{a_call(key.account, **named | denied | columns)}/"


def list_cures(client: Client, path: str) -> dict[str, str]:
    return {cure.label: cure.url for cure in client.get(path).context["cures"]}


def test_a_refused_address_is_cured_by_the_keys_form_or_by_its_ip_list(client: Client, key: Key, alice: User) -> None:
    offices = an_ip_list(alice, "192.0.2.0/24", "!192.0.3.0/24", used_by=key)
    path = call_of(key, "ip_not_allowed", client_address=ELSEWHERE)
    page = client.get(path)
    assert "Allowed: 203.0.113.0/24 , Offices (1 entry)." in read_words(page)
    assert f'href="/keys/{key.public_id}/"' in read_page(page)
    assert f'href="/users/{alice.pk}/"' in read_page(page)
    assert f'href="/apis/{key.api.slug}/?module=customers#module-customers"' in read_page(page)
    assert f'href="/ip-lists/{offices.pk}/"' in read_page(page)
    cures = list_cures(client, path)
    assert list(cures) == [f"Allow {ELSEWHERE}", f"Add {ELSEWHERE} to Offices"]

    form = client.get(cures[f"Allow {ELSEWHERE}"])
    assert f"Added: {ELSEWHERE}. Nothing is saved yet." in read_words(form)
    assert "Confirm your identity" in read_words(form)
    assert f"203.0.113.0/24\n{ELSEWHERE}" in form.content.decode()
    assert not since_the_beginning().filter(name="key.edited").exists()
    sent = filled_in(form) | {"password": PASSWORD}
    answer = client.post(cures[f"Allow {ELSEWHERE}"], sent)
    assert answer.headers["Location"] == path
    assert Address.objects.filter(key=key, network=f"{ELSEWHERE}/32").exists()
    after = client.get(path)
    assert "The same call would be allowed now." in read_words(after)
    assert after.context["cures"] == []

    entry = client.get(cures[f"Add {ELSEWHERE} to Offices"])
    assert f'value="{ELSEWHERE}"' in read_page(entry)
    sent = {"network": ELSEWHERE, "enabled": "on", "password": PASSWORD}
    assert client.post(cures[f"Add {ELSEWHERE} to Offices"], sent).headers["Location"] == path
    assert "in <a href" in read_page(client.get(path)).split("Client address")[1][:120]


def filled_in(form: Any) -> dict[str, Any]:
    """Return what a browser would send of the edit form that the response shows."""
    fields = form.context["form"]
    values = {name: fields[name].value() for name in fields.fields}
    return {name: value for name, value in values.items() if value not in (None, "", False)}


@pytest.mark.parametrize(
    ("reason", "columns", "call", "label", "query"),
    [
        ("module_not_granted", {}, {"path": "/invoices", "module": "invoices"}, "Grant Invoices", "grant=invoices"),
        ("key_expired", {"expires_at": -1}, {}, "Extend expiry", "extend=1"),
        ("key_disabled", {"enabled": False}, {}, "Enable", ""),
    ],
)
def test_each_refusal_offers_the_form_that_cures_it(
    client: Client, key: Key, reason: str, columns: dict[str, Any], call: dict[str, Any], label: str, query: str
) -> None:
    if "expires_at" in columns:
        columns = {"expires_at": timezone.now() - timedelta(days=1)}
    Key.objects.filter(pk=key.pk).update(**columns)
    path = call_of(key, reason, **call)
    cures = list_cures(client, path)
    assert list(cures) == [label]
    assert query in cures[label]
    form = client.get(cures[label])
    assert form.status_code == 200
    if label == "Enable":
        assert client.post(cures[label], {"password": PASSWORD}).headers["Location"] == path
    else:
        sent = filled_in(form) | {"password": PASSWORD}
        assert client.post(cures[label], sent).headers["Location"] == path
    assert "The same call would be allowed now." in read_words(client.get(path))


def test_a_call_that_would_be_refused_for_another_reason_says_so_and_offers_that_cure(client: Client, key: Key) -> None:
    Key.objects.filter(pk=key.pk).update(enabled=False)
    path = call_of(key, "ip_not_allowed", client_address=ELSEWHERE)
    assert "The same call would be refused now: the key is disabled." in read_words(client.get(path))
    assert list(list_cures(client, path)) == ["Enable"]


def test_what_a_key_of_an_inactive_owner_needs_is_another_owner(client: Client, key: Key, alice: User) -> None:
    bob = a_user(alice.account, "Bob", is_active=False)
    Key.objects.filter(pk=key.pk).update(owner=bob)
    key.refresh_from_db()
    path = call_of(key, "owner_inactive")
    assert list(list_cures(client, path)) == ["Reassign"]
    assert "The owner is Bob, who is not active." in read_words(client.get(path))


def test_nothing_is_offered_that_the_policy_fixes(client: Client, account: Account, alice: User) -> None:
    key = a_key_of("sip-caller", alice).key
    path = call_of(key, "module_not_granted", module="detailed-reports", path="/nothing")
    assert list_cures(client, path) == {}
    Key.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert list_cures(client, call_of(key, "key_expired")) == {}


@pytest.mark.parametrize("reason", ["invalid_credentials", "stale_timestamp", "secret_retired", "replayed"])
def test_what_the_secret_or_the_request_was_refused_for_is_not_decided_again(
    client: Client, key: Key, reason: str
) -> None:
    page = client.get(call_of(key, reason))
    assert page.context["logged"].reason is None
    assert page.context["cures"] == []
    assert "The same call would" not in read_words(page)


def test_a_deleted_or_unknown_key_is_no_link(client: Client, key: Key) -> None:
    path = call_of(key, "ip_not_allowed")
    Key.objects.filter(pk=key.pk).update(deleted_at=timezone.now())
    page = client.get(path)
    assert "The key has been deleted." in read_words(page)
    assert f'href="/keys/{key.public_id}/"' not in read_page(page)
    assert f"/audit/?kind=key&object={key.public_id}" in read_page(page)
    assert client.get(f"/logs/{a_call(key.account, key_id='', key_name='', owner='')}/").status_code == 200


def test_a_reader_sees_what_is_allowed_and_no_form(client: Client, key: Key, account: Account) -> None:
    path = call_of(key, "ip_not_allowed", client_address=ELSEWHERE)
    client.force_login(a_user(account, "Rita", Role.ACCOUNT_READER))
    page = client.get(path)
    assert "Allowed: 203.0.113.0/24" in read_words(page)
    assert page.context["cures"] == []
    assert "/users/" not in read_page(page)


def test_an_allowed_call_offers_nothing(client: Client, key: Key) -> None:
    page = client.get(call_of(key, "", path="/customers"))
    assert page.context["logged"].reason == ""
    assert "The same call would" not in read_words(page)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"allow": "everywhere"}, "everywhere is not an IP address or CIDR range"),
        ({"grant": "gold"}, 'There is no module "gold". There are: '),
    ],
)
def test_a_suggestion_that_means_nothing_is_an_error(
    client: Client, key: Key, query: dict[str, str], words: str
) -> None:
    page = client.get(f"/keys/{key.public_id}/edit/?{urlencode(query)}")
    assert page.status_code == 400
    assert words in read_words(page)


def test_a_suggestion_never_narrows_a_key_and_repeats_nothing(client: Client, alice: User, account: Account) -> None:
    open_key = a_billing_key(alice).key
    form = client.get(f"/keys/{open_key.public_id}/edit/?allow={ELSEWHERE}&grant=invoices")
    assert not form.context["form"].suggestion
    assert "Nothing is saved yet." not in read_words(form)
    assert "Confirm your identity" not in read_words(form)
