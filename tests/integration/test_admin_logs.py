"""Support reads both logs: all accounts', those of none, folded ones too; never more than a stretch of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from audit.models import Event
from audit.trail.record import record
from core.actor import Actor
from tests.factories.accounts import an_account
from tests.factories.calls import a_call, more_calls
from tests.factories.keys import billing_for

pytestmark = pytest.mark.django_db

CALLS = "/admin/audit/call/"
EVENTS = "/admin/audit/event/"


def get_page(client: Client, url: str, **given: str) -> str:
    answer = client.get(url, given)
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def test_without_an_account_there_are_the_calls_of_none_with_what_they_stand_for(
    client: Client, support: User, acme: Account
) -> None:
    a_call(acme, path="/of-acme")
    unknown: dict[str, Any] = {"decision": "denied", "reason": "unknown_key", "key_id": "", "key_name": "", "owner": ""}
    a_call(None, path="/of-nobody", folded=731, **unknown)

    page = get_page(client, CALLS)

    assert "/of-nobody" in page
    assert "<bdi>731</bdi>" in page
    assert "/of-acme" not in page


def test_calls_are_found_by_account_key_and_request_id(client: Client, support: User, acme: Account) -> None:
    wanted = a_call(acme, path="/wanted", key_id="AAAAAAAAAAAA")
    a_call(an_account("globex"), path="/other", key_id="BBBBBBBBBBBB")

    for given in ({"account": "acme"}, {"key_id": "AAAAAAAAAAAA"}, {"request_id": str(wanted)}):
        page = get_page(client, CALLS, **given)
        assert "/wanted" in page
        assert "/other" not in page


def test_apis_and_modules_are_chosen_by_their_names(client: Client, support: User, acme: Account) -> None:
    invoices = billing_for(acme).modules.get(slug="invoices")
    wanted = a_call(acme, path="/wanted", api="billing", module="invoices")
    a_call(acme, path="/other", api="textpeak", module="send")

    for given in (
        *({"api": "Billing"}, {"api": "billing"}, {"module": invoices.name}, {"module": "invoices"}),
        {"api": "Billing", "module": invoices.name},
    ):
        page = get_page(client, CALLS, account="acme", **given)
        assert "/wanted" in page
        assert "/other" not in page
        assert '<option value="billing"' in page
    # A call may outlive what it names.
    assert "/other" in get_page(client, CALLS, account="acme", api="textpeak")
    row = get_page(client, f"{CALLS}{wanted}/change/")
    assert "Billing (billing)" in row
    assert f"{invoices.name} (invoices)" in row


def test_the_last_day_is_shown_unless_another_time_is_asked_for(client: Client, support: User, acme: Account) -> None:
    now = datetime.now(UTC)
    a_call(acme, path="/of-today", time=now - timedelta(hours=23))
    a_call(acme, path="/of-last-week", time=now - timedelta(days=7))

    assert "/of-last-week" not in get_page(client, CALLS, account="acme")
    since, until = f"{now - timedelta(days=8):%Y-%m-%dT%H:%M}", f"{now - timedelta(days=6):%Y-%m-%dT%H:%M}"
    page = get_page(client, CALLS, account="acme", **{"from": since, "to": until})
    assert "/of-last-week" in page
    assert "/of-today" not in page
    assert "/of-last-week" in get_page(client, CALLS, account="acme", to=f"{now - timedelta(days=6):%Y-%m-%d}T00:00")


@pytest.mark.parametrize("url", [CALLS, EVENTS])
@pytest.mark.parametrize(
    "query",
    [
        "from=2020-01-01T00:00",
        "from=2026-01-01T00:00&to=2026-06-01T00:00",
        "account=nobody",
        "range=ever",
        "name__regex=x",
        "after=x",
        "request_id=%00",
        "from=2026-99-01T00:00",
    ],
)
def test_what_is_unbounded_or_means_nothing_is_refused(client: Client, support: User, url: str, query: str) -> None:
    answer = client.get(f"{url}?{query}")

    assert answer.status_code == 400
    assert "No results" in answer.content.decode()


def test_numbers_are_hidden_as_each_account_wants_it(client: Client, support: User, acme: Account) -> None:
    Account.objects.filter(pk=acme.pk).update(mask_phone=True, mask_digits=4)
    hidden = a_call(acme, path="/call/447911123456", query="to=447911123457", key_id="AAAAAAAAAAAA")
    open_ = a_call(an_account("globex"), path="/call/447911123458", key_id="AAAAAAAAAAAA")

    page = get_page(client, CALLS, key_id="AAAAAAAAAAAA")
    assert "/call/XXXXXXXX3456?to=XXXXXXXX3457" in page
    assert "/call/447911123458" in page
    assert "XXXXXXXX3456" in get_page(client, f"{CALLS}{hidden}/change/")
    assert "447911123458" in get_page(client, f"{CALLS}{open_}/change/")
    # Nor can a hidden digit be searched for.
    for given in ({"account": "acme"}, {"key_id": "AAAAAAAAAAAA"}):
        page = get_page(client, CALLS, path="44791112345", **given)
        assert "/call/4" not in page
        assert "/call/X" not in page


def test_pages_of_calls_follow_each_other(client: Client, support: User, acme: Account) -> None:
    more_calls(a_call(acme), 70)
    first = client.get(CALLS, {"account": "acme"})
    rest = client.get(CALLS, {"account": "acme", "after": first.context["page"].after})

    ids = [row.url for page in (first, rest) for row in page.context["rows"]]
    assert len(set(ids)) == len(ids) == 71
    assert "End of list" in rest.content.decode()


def test_no_page_of_a_log_counts(client: Client, support: User, acme: Account) -> None:
    more_calls(a_call(acme), 70)
    for url in (CALLS, f"{CALLS}?account=acme", EVENTS, f"{EVENTS}?account=acme"):
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        assert [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()] == []


def test_events_of_all_accounts_and_of_none_are_shown(client: Client, support: User, acme: Account) -> None:
    by = Actor("user", "1", "alice@acme.example")
    with transaction.atomic():
        record("user.signed_out", by=by, account_id=acme.pk)
        record("user.signed_out", by=Actor("user", "2", "other@support.example"), account_id=None)

    page = get_page(client, EVENTS)
    assert "alice@acme.example" in page
    assert "other@support.example" in page
    page = get_page(client, EVENTS, account="acme")
    assert "other@support.example" not in page
    event = Event.objects.get(name="user.signed_out", account_id=acme.pk)
    page = get_page(client, f"{EVENTS}{event.seq}/change/")
    assert "alice@acme.example" in page
    assert f"<h1>Event {event.seq}</h1>" in page


def test_an_event_without_filters_has_a_dash_for_them(client: Client, support: User) -> None:
    get_page(client, EVENTS)
    read = Event.objects.filter(name="log.read").latest("seq")
    assert "<dt>Filters</dt><dd><bdi>–</bdi></dd>" in get_page(client, f"{EVENTS}{read.seq}/change/")


def test_reading_an_account_is_told_in_its_trail_once(client: Client, support: User, acme: Account) -> None:
    call = a_call(acme)
    for _ in range(2):
        get_page(client, CALLS, account="acme")
        get_page(client, f"{CALLS}{call}/change/")

    recorded = Event.objects.filter(name="log.read").values_list("actor", "account_id")
    assert list(recorded) == [(support.email, acme.pk)] * 2
