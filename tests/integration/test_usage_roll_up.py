"""The roll-ups of each key's calls are what a slow computation over the rows of the log says, whatever interrupts
them."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from audit.calls import seals
from audit.models import Call, Usage
from audit.usage import roll_up, selectors
from core.bounded_cache import BoundedCache
from keys.models import Api
from keys.selectors.decision import build_route_matcher
from tests.databases import migrated_database
from tests.factories.calls import a_call
from tests.factories.usage import (
    BEFORE_ROUTE,
    DAY,
    HOUR,
    KEYS,
    NO_ROUTE,
    NOW,
    ROUTES,
    UNPROVEN,
    an_account_alone,
    log_some,
    seal_until,
)


@pytest.fixture(scope="module", autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A log that no other test writes to."""
    with django_db_blocker.unblock(), migrated_database("usage"):  # type: ignore[attr-defined]
        yield


@pytest.fixture
def account(own_database: None) -> Account:
    return an_account_alone()


def compute_slowly(until: datetime) -> dict[tuple[Any, ...], tuple[datetime, int]]:
    """Return (last seen, calls) of calls that are alike, from the rows themselves."""
    since = datetime(until.year, until.month, until.day, tzinfo=UTC) - 30 * DAY
    found: dict[tuple[Any, ...], tuple[datetime, int]] = defaultdict(lambda: (datetime.min.replace(tzinfo=UTC), 0))
    for call in Call.objects.filter(time__lt=until).exclude(account_id=None).exclude(key_id=""):
        address, old, module = call.client_address, call.old_secret, call.module
        route, matched = ROUTES[call.path, call.query]
        if call.reason in UNPROVEN:
            address, route, old, module = None, "", False, ""
        elif call.reason in NO_ROUTE:
            route = ""
        elif call.reason in BEFORE_ROUTE:
            module = matched
            if call.api == "gone":
                route, module = ("whoami" if call.path == "/_keyward/whoami" else ""), ""
        elif route == "whoami" and call.path != f"/v1/whoami/{call.api}" and call.path != "/_keyward/whoami":
            route = ""
        alike = (*(call.account_id, call.key_id, call.api, address, call.credential, route, module, call.reason, old),)
        last, calls = found[alike]
        found[alike] = max(last, call.time), calls + (call.folded if call.time >= since else 0)
    return dict(found)


def read_usage() -> dict[tuple[Any, ...], tuple[datetime, int]]:
    rows = Usage.objects.values_list(*roll_up.ALIKE, "last_seen", "calls")
    found = {row[:-2]: row[-2:] for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_roll_ups_equal_a_slow_computation_over_the_rows(
    account: Account, monkeypatch: pytest.MonkeyPatch, seed: int, full: bool
) -> None:
    log_some(account, 5_000 if full else 500, seed)
    rng = random.Random(seed)
    match = build_route_matcher()
    until = NOW - 70 * DAY
    while until < NOW:
        # From a single hour to many days at once, as after an outage.
        until = min(NOW, until + rng.choice((HOUR, 5 * HOUR, DAY, 3 * DAY, 10 * DAY, 40 * DAY)))
        seal_until(monkeypatch, until)
        roll_up.roll_up(match)
        assert read_usage() == compute_slowly(until)
        assert roll_up.roll_up(match) == 0
    before = read_usage()
    assert roll_up.rebuild(match) > 0
    assert read_usage() == before
    assert sum(calls for _, calls in before.values()) > 0


def test_a_crash_at_any_statement_loses_and_repeats_nothing(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    log_some(account, 300, seed=9, days=4)
    seal_until(monkeypatch, NOW)
    match = build_route_matcher()
    crashes = 0
    for survives in range(100):
        left = survives

        def crash(execute: Any, *statement: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise RuntimeError("crashed")
            return execute(*statement)

        try:
            with connections["maintenance"].execute_wrapper(crash):
                roll_up.roll_up(match)
            break
        except RuntimeError:
            crashes += 1
    assert crashes > 10
    assert read_usage() == compute_slowly(NOW)


def test_two_nodes_at_once_add_each_hour_once(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    log_some(account, 300, seed=5, days=10)
    seal_until(monkeypatch, NOW)
    match = build_route_matcher()
    added: list[int] = []

    def work() -> None:
        try:
            added.append(roll_up.roll_up(match))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first = min(Call.objects.values_list("time", flat=True)).replace(minute=0, second=0, microsecond=0)
    assert sum(added) == (NOW - first) // HOUR
    assert read_usage() == compute_slowly(NOW)


def test_calls_of_dropped_months_go_with_them(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    log_some(account, 300, seed=6)
    seal_until(monkeypatch, NOW)
    roll_up.roll_up(build_route_matcher())
    end = (NOW - 5 * DAY).replace(hour=0)
    kept = {alike: last for alike, (last, _) in compute_slowly(NOW).items() if last >= end}
    with connections["maintenance"].cursor() as cursor:
        roll_up.drop_before(cursor, end)
        cursor.execute("SELECT count(*) FROM audit_usage_day WHERE day < %s", [end.date()])
        assert cursor.fetchone() == (0,)
    usage = read_usage()
    assert {alike: last for alike, (last, _) in usage.items()} == kept
    left = Call.objects.filter(time__gte=end, time__lt=NOW).exclude(account_id=None).exclude(key_id="")
    assert sum(calls for _, calls in usage.values()) == sum(left.values_list("folded", flat=True))


def test_maintain_sums_what_it_sealed(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    log_some(account, 100, seed=7, days=3)
    call_command("maintain")
    assert "Hours summed for each key: 7" in capsys.readouterr().out
    until = seals.get_sealed_until()
    assert until is not None
    assert read_usage() == compute_slowly(until)
    call_command("rebuild_usage")
    assert read_usage() == compute_slowly(until)


def test_routes_with_the_longest_texts_are_summed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [f"GET /{'ü' * 3000}?a={n}" for n in range(2)]
    for route in long:
        a_call(account, time=NOW - HOUR, rule=route, path="/invoices")
    seal_until(monkeypatch, NOW)
    roll_up.roll_up(build_route_matcher())
    assert set(Usage.objects.values_list("route", flat=True)) == set(long)


def test_the_application_cannot_change_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS r, unnest(%s::text[]) AS t"
            " WHERE has_table_privilege(t, r)",
            [["audit_usage", "audit_usage_day", "audit_usage_path", "audit_usage_state"]],
        )
        assert cursor.fetchall() == []


def test_the_billing_api_has_these_routes() -> None:
    match = build_route_matcher()
    assert Api.objects.filter(slug="billing").exists()
    for (path, query), expected in ROUTES.items():
        assert match("billing", "GET", path, query) == expected
        assert match("billing", "HEAD", path, query) == expected


def test_sums_that_are_remembered_are_read_again_when_they_change(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    match, keys, noon = build_route_matcher(), list(KEYS), NOW - 12 * HOUR

    def log(at: datetime, **facts: Any) -> None:
        a_call(account, time=at, api="billing", path="/invoices", rule="GET /invoices", module="invoices", **facts)

    def count() -> tuple[int, int]:
        """Return how many calls a replay reads, and in how many statements it reads roll-ups of keys."""
        with CaptureQueriesContext(connection) as queries:
            usage = selectors.read_usage(keys)
        read = sum("FROM audit_usage WHERE" in each["sql"] for each in queries.captured_queries)
        return sum(sum(group.calls) for group in usage.groups), read

    log(noon - HOUR, key_id=KEYS[0])
    assert count() == (1, 0), "nothing is summed yet"
    seal_until(monkeypatch, noon)
    roll_up.roll_up(match)
    assert count() == (1, 1)
    # A call of an open hour counts at once.
    log(noon + HOUR, key_id=KEYS[1])
    assert count() == (2, 0)
    seal_until(monkeypatch, NOW)
    roll_up.roll_up(match)
    assert count() == (2, 1)
    assert count() == (2, 0)
    roll_up.rebuild(match)
    assert count() == (2, 1), "a rebuild may sum otherwise"
    keys.pop()
    assert count() == (1, 1), "other keys have other sums"


def test_sums_of_very_many_rows_are_not_remembered(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    log_some(account, 50, seed=3)
    seal_until(monkeypatch, NOW)
    roll_up.roll_up(build_route_matcher())
    cache: BoundedCache[Any] = BoundedCache(1)
    monkeypatch.setattr(selectors, "_remembered", cache)
    monkeypatch.setattr(selectors, "MAX_ROWS_REMEMBERED", 1)
    selectors.read_usage(KEYS)
    assert not cache._values
    monkeypatch.setattr(selectors, "MAX_ROWS_REMEMBERED", 1_000)
    for keys in (KEYS, KEYS[:1]):
        selectors.read_usage(keys)
    assert [usage.groups for usage in cache._values.values()] == [selectors.read_usage(KEYS[:1]).groups]
