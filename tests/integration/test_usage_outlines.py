"""The outlines of the paths that a route was called with are those of the rows of the log, or said to be unknown."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from accounts.models import Account
from audit.models import Call
from audit.usage import outlines, roll_up, selectors
from core.actor import Actor
from core.permissions import Role
from keys import apis
from keys.apis.description import Description
from keys.models import Api, KeyModule, Module
from keys.selectors.decision import build_route_matcher
from keys.selectors.replay import replay_api
from tests.databases import migrated_database
from tests.factories.accounts import a_user
from tests.factories.calls import a_call
from tests.factories.key_rows import a_key
from tests.factories.usage import BEFORE_ROUTE, DAY, HOUR, NOW, ROUTED, ROUTES, an_account_alone, log_some, seal_until

INVOICE = "GET /invoices/{invoice_id}"
CUSTOMER = "GET /customers/{customer_id}"


@pytest.fixture(scope="module", autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A log that no other test writes to."""
    with django_db_blocker.unblock(), migrated_database("outlines"):  # type: ignore[attr-defined]
        yield


@pytest.fixture
def account(own_database: None) -> Account:
    return an_account_alone()


def roll_up_until(monkeypatch: pytest.MonkeyPatch, until: datetime) -> None:
    seal_until(monkeypatch, until)
    roll_up.roll_up(build_route_matcher())


def read(api: str, route: str, until: datetime | None = None) -> set[str] | None:
    """Return the outlines of what is summed, or was summed until then."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT until FROM audit_usage_state")
        until = until or cursor.fetchone()[0]
    # Who found nothing summed has no sums: they begin and end at one time.
    since = roll_up.get_period_start(until) if until else NOW
    known = outlines.read_outlines([api], [route], since, until or NOW).get(api, route)
    return None if known is None else set(known)


def compute_slowly(until: datetime) -> dict[tuple[str, str], set[str]]:
    """Return the outlines by API and route from the rows themselves, as far back as they are kept."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    since, match = roll_up.get_period_start(until) - DAY, build_route_matcher()
    for call in Call.objects.filter(time__gte=since, time__lt=until).exclude(account_id=None).exclude(key_id=""):
        route, _ = ROUTES[call.path, call.query]
        if call.reason not in {*ROUTED, *BEFORE_ROUTE} - {"replayed"}:
            continue
        if call.reason in BEFORE_ROUTE:
            route, _ = match(call.api, call.method, call.path, call.query)
        elif route == "whoami" and call.path not in ("/_keyward/whoami", f"/v1/whoami/{call.api}"):
            route = ""
        if route == "" or "{" in route:
            found[call.api, route].add(re.sub("/[^/]*[0-9][^/]*", "/0", call.path))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_outlines_equal_a_slow_computation_over_the_rows(
    account: Account, monkeypatch: pytest.MonkeyPatch, seed: int, full: bool
) -> None:
    log_some(account, 3_000 if full else 300, seed)
    rng, until, compared = random.Random(seed), NOW - 70 * DAY, 0
    while until < NOW:
        until = min(NOW, until + rng.choice((HOUR, 5 * HOUR, DAY, 3 * DAY, 10 * DAY, 40 * DAY)))
        roll_up_until(monkeypatch, until)
        expected = compute_slowly(until)
        for api in ("billing", "gone"):
            for route, _ in ROUTES.values():
                if route == "" or "{" in route:
                    assert read(api, route) == expected.get((api, route), set())
                    compared += bool(expected.get((api, route)))
    before = {route: read("billing", route) for route, _ in ROUTES.values()}
    roll_up.rebuild(build_route_matcher())
    assert {route: read("billing", route) for route, _ in ROUTES.values()} == before
    assert compared > 5
    assert read("billing", "GET /invoices") is None, "its text names its path"


def test_of_a_route_with_too_many_paths_none_is_known(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "MAX_OUTLINES", 3)

    def call(route: str, *paths: str, **ago: int) -> None:
        for path in paths:
            a_call(account, time=NOW - timedelta(**ago), path=path, rule=route)

    call(INVOICE, "/invoices/a", "/invoices/b", days=3)
    call(CUSTOMER, "/customers/a", "/customers/b", "/customers/17", "/customers/18", days=3)
    roll_up_until(monkeypatch, NOW - 2 * DAY)
    assert read("billing", INVOICE) == {"/invoices/a", "/invoices/b"}
    call(INVOICE, "/invoices/c", "/invoices/d", days=1)
    call("", "/a", "/b", "/c", "/d", days=1)
    roll_up_until(monkeypatch, NOW - 20 * HOUR)
    assert read("billing", INVOICE) is read("billing", "") is None
    call(INVOICE, "/invoices/a", hours=2)
    roll_up_until(monkeypatch, NOW)
    assert read("billing", INVOICE) is None, "another call may have been made"
    assert read("billing", CUSTOMER) == {"/customers/a", "/customers/b", "/customers/0"}
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT route, outline, last_day FROM audit_usage_path WHERE route <> %s", [CUSTOMER])
        unknown = {(INVOICE, None, (NOW - 2 * HOUR).date()), ("", None, (NOW - DAY).date())}
        assert set(cursor.fetchall()) == unknown


def test_what_a_version_without_outlines_summed_is_unknown(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    log_some(account, 100, seed=1, days=40)
    roll_up_until(monkeypatch, NOW - 35 * DAY)
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("UPDATE audit_usage_state SET until = %s", [NOW - 34 * DAY])
        assert read("billing", INVOICE) is None
    roll_up_until(monkeypatch, NOW - 10 * DAY)
    assert read("billing", INVOICE) is None
    roll_up_until(monkeypatch, NOW)
    # Thirty days later all counted calls were summed with outlines.
    assert read("billing", INVOICE) == compute_slowly(NOW)["billing", INVOICE]
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("UPDATE audit_usage_state SET paths_until = NULL")
    assert read("billing", INVOICE) is None
    roll_up.rebuild(build_route_matcher())
    assert read("billing", INVOICE) == compute_slowly(NOW)["billing", INVOICE]
    # Somebody has read the sums before they are made anew.
    seal_until(monkeypatch, NOW - DAY)
    roll_up.rebuild(build_route_matcher())
    assert read("billing", INVOICE) is not None
    assert read("billing", INVOICE, NOW) is None
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("UPDATE audit_usage_state SET until = NULL")
    assert read("billing", INVOICE, NOW - DAY) is None
    assert read("billing", INVOICE) is not None


def test_a_route_that_takes_no_path_that_was_called_is_replayed_without_rows(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route is added beside a variable of another, in a module that the key does not have."""
    api = Api.objects.get(slug="billing")
    key = a_key(account, a_user(account, "Alice", Role.ADMINISTRATOR), api, "Key").key
    type(key).objects.filter(pk=key.pk).update(all_modules=False)
    KeyModule.objects.create(key=key, module=Module.objects.get(api=api, slug="customers"))
    document = deepcopy(api.document)
    document["paths"]["/customers/export"] = {"get": {"tags": ["CDRs"], "responses": {"200": {"description": "ok"}}}}
    description = Description.from_data(document, api.policy)

    def call(path: str, **ago: Any) -> None:
        at = NOW - timedelta(**ago)
        a_call(account, time=at, key_id=key.public_id, path=path, rule=CUSTOMER, client_address="203.0.113.8")

    def replay() -> tuple[int, int]:
        effect = replay_api(api, description).effect
        assert {each.after.reason for each in effect.refused} <= {"module_not_granted"}
        return effect.refused_count, effect.allowed

    for hours in (30, 40, 50):
        call(f"/customers/{hours}", hours=hours)
    roll_up_until(monkeypatch, NOW - 24 * HOUR)
    call("/customers/17", hours=3)
    with monkeypatch.context() as patched:
        patched.setattr(selectors, "_READ_BY_PATH", "fails")
        assert replay() == (0, 4)
        # Calls that are not summed yet are read with their paths.
        call("/customers/export", hours=2)
        assert replay() == (1, 5)
    roll_up_until(monkeypatch, NOW)
    assert replay() == (1, 5)


def test_calls_that_are_not_summed_stay_known_by_their_paths_if_rows_are_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Routes with a condition go: their calls are those of the routes without it, whose modules the key has."""
    operation = {"tags": ["Reports"], "parameters": [{"name": "menu", "in": "query", "schema": {"type": "string"}}]}
    paths = {path: {"get": operation | {"responses": {"200": {"description": "ok"}}}} for path in ("/bills", "/sums")}
    document = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths}
    policy = Api.objects.get(slug="billing").policy | {"modules": []}
    menu = [{"tag": "Menu", "routes": ["GET /bills?menu=1", "GET /sums?menu=1"]}]
    by = Actor.from_command("test")
    api = apis.add(slug="shop", description=Description.from_data(document, policy | {"modules": menu}), by=by)
    key = a_key(account, a_user(account, "Alice", Role.ADMINISTRATOR), api, "Key").key

    def call(path: str, hours: int) -> None:
        more = {"key_id": key.public_id, "api": "shop", "module": "menu", "client_address": "203.0.113.8"}
        a_call(account, time=NOW - hours * HOUR, path=path, query="menu=1", rule=f"GET {path}?menu=1", **more)

    call("/bills", 30)
    roll_up_until(monkeypatch, NOW - 24 * HOUR)
    call("/sums", 3)
    effect = replay_api(api, Description.from_data(document, policy)).effect
    assert (effect.refused_count, effect.allowed) == (0, 2)
