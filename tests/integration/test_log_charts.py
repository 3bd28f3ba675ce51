"""What stands beside the rows: the chart, the addresses of denied calls, and the chart of one key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from accounts.permissions import Role
from audit import charts, selectors
from tests.keys_made import a_billing_key
from tests.logbook import a_call
from tests.people import ADDRESS, a_user, an_account

pytestmark = pytest.mark.django_db
SEES = (Role.ADMINISTRATOR, Role.ACCOUNT_READER, Role.AUDITOR)
DENIED = {"decision": "denied", "reason": "ip_not_allowed"}


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def alice(acme: Account) -> User:
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


def signed_in(user: User) -> Client:
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(user)
    return client


def test_a_keys_page_has_the_chart_of_its_own_calls(acme: Account, alice: User) -> None:
    key = a_billing_key(alice).key
    for columns in ({}, {}, DENIED):
        a_call(acme, key_id=key.public_id, **columns)
    a_call(acme, key_id="000000000000")
    a_call(acme, key_id=key.public_id, time=datetime.now(UTC) - timedelta(days=40))
    page = signed_in(alice).get(f"/keys/{key.public_id}/").content.decode()
    assert "Calls of the last 30 days" in page
    assert "UTC: 2 allowed, 1 denied" in page
    assert f'href="/logs/?key={key.public_id}&amp;range=30d"' in page


def test_only_those_who_see_the_log_see_a_keys_chart(acme: Account, alice: User) -> None:
    owner = a_user(acme, "Olga")
    key = a_billing_key(alice, owner=owner).key
    people = {owner: False, **{a_user(acme, role.value.replace(" ", "-"), role): True for role in SEES}}
    for user, sees in people.items():
        page = signed_in(user).get(f"/keys/{key.public_id}/").content.decode()
        assert ("Calls of the last 30 days" in page) == sees, user


def test_a_keys_chart_costs_a_few_queries_however_many_calls_there_are(acme: Account) -> None:
    with CaptureQueriesContext(connection) as asked:
        charts.of_key(acme.pk, "0123456789ab")
    assert len(asked) == 3
    assert all("LIMIT" in query["sql"] for query in asked if "audit_call" in query["sql"])


def test_denied_calls_are_told_by_address(acme: Account, alice: User) -> None:
    for address, count in (("198.51.100.7", 3), ("2001:db8::7", 1)):
        for _ in range(count):
            a_call(acme, client_address=address, **DENIED)
    a_call(acme, client_address=None, decision="denied", reason="unreadable_request")
    a_call(acme, client_address="192.0.2.1")
    a_call(acme, client_address="192.0.2.2", key_name="Shop", **DENIED)
    a_call(an_account("bolt"), client_address="192.0.2.3", **DENIED)
    told = signed_in(alice).get("/logs/chart/?range=24h").context["addresses"]
    assert told[0][:2] == ("198.51.100.7", 3)
    assert {(address, calls) for address, calls, _ in told[1:]} == {("2001:db8::7", 1), (None, 1), ("192.0.2.2", 1)}
    page = signed_in(alice).get("/logs/chart/?range=24h&key=worker").content.decode()
    assert 'href="/logs/?range=24h&amp;key=worker&amp;decision=denied&amp;address=198.51.100.7"' in page
    assert "192.0.2.2" not in page
    assert "Denied calls by address" not in signed_in(alice).get("/logs/chart/?decision=allowed").content.decode()


def test_addresses_are_looked_for_among_so_many_rows(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    a_call(acme, time=now - timedelta(hours=1), client_address="192.0.2.1", **DENIED)
    for n in range(5):
        a_call(acme, time=now - timedelta(minutes=n))
    monkeypatch.setattr(selectors, "LONGEST_LOOK", 5)
    assert selectors.denied_by_address(selectors.calls(acme.pk), Q()) == []
    monkeypatch.setattr(selectors, "LONGEST_LOOK", 6)
    assert [told[:2] for told in selectors.denied_by_address(selectors.calls(acme.pk), Q())] == [("192.0.2.1", 1)]
