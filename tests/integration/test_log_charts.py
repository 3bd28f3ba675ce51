"""What stands beside the rows: the chart, the addresses of denied calls, and the chart of one key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from audit.calls import aggregates, charts, rollups
from audit.calls.aggregates import find_newest, get_figures
from audit.calls.filters import CallFilter
from audit.calls.selectors import list_calls
from core.permissions import Role
from tests.factories.accounts import ADDRESS, a_user, an_account
from tests.factories.calls import a_call, empty_sums
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db
SEES = (Role.ADMINISTRATOR, Role.ACCOUNT_READER, Role.AUDITOR)
DENIED: dict[str, Any] = {"decision": "denied", "reason": "ip_not_allowed"}


@pytest.fixture(autouse=True)
def _no_sums(db: None) -> None:
    empty_sums()


def signed_in(user: User) -> Client:
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(user)
    return client


def test_a_keys_page_has_the_chart_of_its_own_calls(acme: Account, alice: User) -> None:
    key = a_billing_key(alice).key
    for columns in ({}, {}, DENIED, DENIED | {"folded": 30}):
        a_call(acme, key_id=key.public_id, **columns)
    a_call(acme, key_id="000000000000")
    a_call(acme, key_id=key.public_id, time=datetime.now(UTC) - timedelta(days=40))
    page = signed_in(alice).get(f"/keys/{key.public_id}/").content.decode()
    assert "Calls in the last 30 days" in page
    assert "UTC: 2 allowed, 31 denied" in page
    assert f'href="/logs/?key={key.public_id}&amp;range=30d"' in page


def test_only_those_who_see_the_log_see_a_keys_chart(acme: Account, alice: User) -> None:
    owner = a_user(acme, "Olga")
    key = a_billing_key(alice, owner=owner).key
    people = {owner: False, **{a_user(acme, role.value.replace(" ", "-"), role): True for role in SEES}}
    for user, sees in people.items():
        page = signed_in(user).get(f"/keys/{key.public_id}/").content.decode()
        assert ("Calls in the last 30 days" in page) == sees, user


def test_a_keys_chart_costs_a_few_queries_however_many_calls_there_are(acme: Account) -> None:
    summed(acme)
    with CaptureQueriesContext(connection) as queries:
        charts.build_key_chart(acme.pk, "0123456789ab")
    assert len(queries) == 3
    assert all("LIMIT" in query["sql"] for query in queries if "audit_call" in query["sql"])


def test_denied_calls_are_told_by_address(acme: Account, alice: User) -> None:
    for address, count in (("198.51.100.7", 3), ("2001:db8::7", 1)):
        for _ in range(count):
            a_call(acme, client_address=address, **DENIED)
    a_call(acme, client_address=None, decision="denied", reason="unreadable_request")
    a_call(acme, client_address="192.0.2.1")
    a_call(acme, client_address="192.0.2.2", key_name="Shop", **DENIED)
    a_call(an_account("bolt"), client_address="192.0.2.3", **DENIED)
    addresses = signed_in(alice).get("/logs/chart/?range=24h").context["addresses"]
    assert addresses[0][:2] == ("198.51.100.7", 3)
    assert {(address, calls) for address, calls, _ in addresses[1:]} == {
        ("2001:db8::7", 1),
        (None, 1),
        ("192.0.2.2", 1),
    }
    page = signed_in(alice).get("/logs/chart/?range=24h&key=worker").content.decode()
    assert 'href="/logs/?range=24h&amp;key=worker&amp;decision=denied&amp;address=198.51.100.7"' in page
    assert "192.0.2.2" not in page
    assert "Denied calls by address" not in signed_in(alice).get("/logs/chart/?decision=allowed").content.decode()


def test_addresses_are_looked_for_among_so_many_rows(acme: Account) -> None:
    now = datetime.now(UTC)
    a_call(acme, time=now - timedelta(hours=1), client_address="192.0.2.1", **DENIED)
    for n in range(5):
        a_call(acme, time=now - timedelta(minutes=n))
    calls = list_calls(acme.pk)
    assert get_figures(calls, Q(), find_newest(calls, 5)).addresses == []
    addresses = get_figures(calls, Q(), find_newest(calls, 6)).addresses
    assert [address[:2] for address in addresses] == [("192.0.2.1", 1)]


def summed(account: Account) -> list[datetime]:
    """Log calls of many kinds, all but the newest hours' rolled up; return when the allowed ones were."""
    now = datetime.now(UTC)
    other = {"api": "lynx", "key_id": "000000000000", "key_name": "Shop"}
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"duration_ms": 20.0, "status": 200},
        DENIED | {"client_address": "198.51.100.7"},
        other,
        other | DENIED,
    )
    times = []
    for n, minutes in enumerate((1, 50, 130, 200, 1000, 1430, 1450, 3000, 4300, 20_000)):
        for kind in (*kinds, {"path": "/invoices", "method": "POST", "module": "invoices"}):
            a_call(account, time=now - timedelta(minutes=minutes, seconds=n), **kind)
        times.append(now - timedelta(minutes=minutes, seconds=n))
    hour = now.replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        rollups.insert_sums(hour - timedelta(days=60), hour - timedelta(hours=1))
    return times


FILTERS = (
    "", "range=24h", "range=7d", "range=24h&decision=denied", "range=24h&reason=ip_not_allowed", "key_id=0123456789ab",
    "key=0123456789ab", "key=0123456789ab&key_id=000000000000", "range=7d&api=lynx&decision=allowed", "decision=denied",
    "range=24h&address=198.51.100.0/24", "path=invoices", "range=7d&method=post", "module=invoices&range=30d",
    "status=2xx", "owner=alice&range=7d", "key=shop", "range=15m", "range=1h&path=customers", "address=192.0.2.1",
)  # fmt: skip


def test_the_chart_shows_the_calls_of_the_list(acme: Account) -> None:
    summed(acme)
    counts = set()
    for query in FILTERS:
        calls = CallFilter(QueryDict(query), list_calls(acme.pk))
        assert calls.is_valid(), query
        chart, figures, total, _ = charts.build_log_figures(acme.pk, calls)
        listed = calls.filtered_rows
        allowed, denied = (listed.filter(decision=decision).count() for decision in ("allowed", "denied"))
        assert (chart.allowed, chart.denied) == (allowed, denied), query
        assert calls.since is None or chart.since == calls.since, query
        assert total == listed.count(), query
        assert sum(durations[1] for durations in figures.durations) == listed.exclude(duration_ms=None).count(), query
        assert sum(address[1] for address in figures.addresses) == denied, query
        counts.add((allowed, denied))
    assert len(counts) > 10


def test_the_total_is_that_of_all_calls_of_the_list(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the chart shows a part of them, and where there are too many to count."""
    times = summed(acme)
    a_call(acme, time=times[0] - timedelta(days=45))
    since = (times[5] - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")

    def count(query: str) -> tuple[int | None, int]:
        calls = CallFilter(QueryDict(query), list_calls(acme.pk))
        assert calls.is_valid(), calls.errors
        return charts.build_log_figures(acme.pk, calls).total, calls.filtered_rows.count()

    monkeypatch.setattr(rollups, "MAX_TAIL_ROWS", 2)
    for query in ("", "decision=denied", "key_id=0123456789ab", f"from={since}"):
        total, rows = count(query)
        assert total == rows, query
    for module in (charts, aggregates):
        monkeypatch.setattr(module, "MAX_ROWS_COUNTED", 3)
    for query in ("", "decision=denied", "key_id=0123456789ab", f"from={since}"):
        assert count(query)[0] == 4, query
    empty_sums()
    monkeypatch.setattr(rollups, "MAX_UNSUMMED_ROWS", 2)
    assert [count(query)[0] for query in ("", "decision=denied")] == [4, None]


def test_the_chart_begins_where_the_range_does(acme: Account, alice: User) -> None:
    times = summed(acme)
    client = signed_in(alice)
    # Just before and just after a call, within an hour that is summed as a whole.
    for since, calls in ((times[5] - timedelta(seconds=1), 6), (times[5] + timedelta(seconds=1), 5)):
        chart = client.get("/logs/chart/", {"from": since.isoformat(), "decision": "allowed"}).context["chart"]
        assert chart.since == since
        assert chart.allowed == calls * 4
    assert "Last 30 days." in client.get("/logs/chart/").content.decode()
    assert "Last 30 days." not in client.get("/logs/chart/?range=30d").content.decode()
    assert "Last 30 days." not in client.get("/logs/chart/?decision=denied").content.decode()


def test_the_chart_says_how_far_back_it_looked(acme: Account, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    times = summed(acme)
    monkeypatch.setattr("audit.paging.MAX_ROWS_SCANNED", 18)
    page = signed_in(alice).get("/logs/chart/?path=invoices&range=7d")
    chart = page.context["chart"]
    assert abs(chart.since - times[2]) < timedelta(seconds=1)
    assert (chart.allowed, chart.scanned_since) == (3, chart.since)
    assert "Based on 18 calls, back to" in page.content.decode()
    monkeypatch.setattr(rollups, "MAX_TAIL_ROWS", 2)
    since = times[5] - timedelta(microseconds=1)
    chart = signed_in(alice).get("/logs/chart/", {"from": since.isoformat()}).context["chart"]
    assert chart.head_cut is not None
    assert chart.cut is not None


def test_of_many_calls_that_pass_the_newest_are_counted(
    acme: Account, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = summed(acme)
    monkeypatch.setattr("audit.calls.aggregates.MAX_ROWS_COUNTED", 3)
    page = signed_in(alice).get("/logs/chart/?path=invoices&range=7d")
    chart = page.context["chart"]
    # One more, to know that there are more.
    assert (chart.allowed, chart.denied) == (4, 0)
    assert chart.since == chart.counted_since == chart.shapes[0].start
    assert abs(chart.since - times[3]) < timedelta(seconds=1)
    assert sum(shape.allowed for shape in chart.shapes) == 4
    content = page.content.decode()
    assert "More than 10,000 calls match: counted back to" in content
    assert "Based on" not in content


def test_without_any_sum_fewer_rows_are_counted_and_the_chart_says_so(
    acme: Account, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_sums()
    monkeypatch.setattr(rollups, "MAX_UNSUMMED_ROWS", 2)
    for minutes in (3, 2, 1):
        a_call(acme, time=datetime.now(UTC) - timedelta(minutes=minutes))
    chart = signed_in(alice).get("/logs/chart/?range=30d").context["chart"]
    assert chart.allowed == 2
    assert datetime.now(UTC) - chart.cut < timedelta(minutes=2.5)
    # A narrow range is counted from rows in any case.
    assert signed_in(alice).get("/logs/chart/?range=1h").context["chart"].allowed == 3


def test_response_times_are_those_of_the_calls_that_are_listed(acme: Account, alice: User) -> None:
    a_call(acme, duration_ms=10.0, status=200)
    a_call(acme, duration_ms=900.0, status=403, **DENIED)
    for query, expected in (
        ("", [("billing", 2)]),
        ("?decision=denied", [("billing", 1)]),
        ("?reason=key_expired", []),
    ):
        durations = signed_in(alice).get(f"/logs/chart/{query}").context["durations"]
        assert [row[:2] for row in durations] == expected
        if query == "?decision=denied":
            assert durations[0][2] == 900.0


def test_a_chart_of_sealed_time_ends_where_its_range_does() -> None:
    account = an_account("ends")
    day = datetime(2019, 5, 4, tzinfo=UTC)
    for hour, minute in ((9, 0), (10, 20), (10, 40), (11, 0), (23, 0)):
        a_call(account, time=day + timedelta(hours=hour, minutes=minute))
    rollups.insert_sums(day, day + timedelta(days=1))
    for until, calls in ((day + timedelta(hours=10, minutes=30), 2), (day + timedelta(hours=11), 3)):
        bars, *_ = rollups.get_bars(account_id=account.pk, since=day, until=until, step=timedelta(days=1))
        assert [bar.allowed for bar in bars] == [calls], until


def test_charts_of_all_keys_are_the_same_with_their_own_sums_and_without() -> None:
    account, day = an_account("totals"), datetime(2019, 5, 4, tzinfo=UTC)
    for hour in range(6):
        for number in range(hour + 1):
            refused = DENIED if number % 3 == 2 else {}
            a_call(account, time=day + timedelta(hours=hour, minutes=number), key_id=f"{number:012}", **refused)
    middle, until = day + timedelta(hours=3), day + timedelta(hours=6)

    def count(**narrowed: str) -> list[tuple[int, int]]:
        narrowed_bars = rollups.get_bars(account_id=account.pk, since=day, until=until, step=rollups.HOUR, **narrowed)
        return [(bar.allowed, bar.denied) for bar in narrowed_bars.bars]

    expected = [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 2)]
    with connection.cursor() as cursor:
        # A version without these sums.
        cursor.execute(rollups.ADD, [day, middle])
        assert count() == expected
        rollups.insert_sums(middle, until)
        cursor.execute("SELECT hour, sum(calls)::int FROM audit_rollup_total GROUP BY 1 ORDER BY 1")
        assert [calls for _, calls in cursor.fetchall()] == [1, 2, 3, 4, 5, 6]
        cursor.execute("SELECT count(*) FROM audit_rollup_total")
        assert cursor.fetchone() == (10,)
    assert count() == expected
    assert count(decision="allowed") == [(allowed, 0) for allowed, _ in expected]
    assert count(key_id=f"{2:012}") == [(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (0, 1)]
