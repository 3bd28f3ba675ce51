"""Each page of the portal, and what forms ask before a change is saved, beside a bare Django page with a session
(benchmarks/bare_page.py): server time, medians. --full has 10,000,000 calls in the log and each of its filters, and
replays changes over 1,000,000 calls of 10,000 keys."""

from __future__ import annotations

import time
from statistics import median
from typing import Any
from urllib.parse import urlencode

from benchmarks.bare_page import BARE, LEAN, add_bare_page
from benchmarks.figures import format_table
from benchmarks.installation import build_signed_in_client, installation
from benchmarks.log_page import FILTERS, fill_in
from benchmarks.logs import make_calls, sum_calls
from benchmarks.replays import measure_replays
from benchmarks.results import Ratio
from benchmarks.sizes import Size

PAGES = (
    *("/", "/keys/", "/keys/new/?api=billing", "/keys/{key}/", "/keys/{key}/edit/", "/keys/{key}/docs/"),
    *("/ip-lists/", "/logs/", "/logs/?range=24h", "/logs/chart/", "/audit/", "/users/", "/settings/", "/profile/"),
    # Filters that no row passes.
    *("/logs/?status=5xx", "/logs/?path=nowhere", "/logs/chart/?status=5xx", "/logs/chart/?path=nowhere"),
    # One that every row passes.
    *("/logs/?path=customers", "/logs/chart/?path=customers"),
    "/apis/billing/",
)
UNSUMMED = "/logs/chart/, nothing summed"


def run(size: Size) -> list[Ratio]:
    rounds, calls = size.choose(quick=(2, 2_000), normal=(20, 200_000), full=(60, 10_000_000))
    keys, used = size.choose(quick=(300, 3_000), normal=(500, 50_000), full=(10_000, 1_000_000))
    with installation():
        from config.static_build import collect_static

        add_bare_page()
        collect_static()
        user, key = _account(calls)
        client = build_signed_in_client(user)
        unsummed = _measure(client, {BARE: BARE, UNSUMMED: "/logs/chart/"}, rounds)
        sum_calls()
        pages = {page: page.format(key=key) for page in (BARE, LEAN, *PAGES)}
        if size is Size.FULL:
            pages |= _list_filtered(user.account_id)
        times = _measure(client, pages, rounds)
        replays = measure_replays(client, user.account, keys, used, rounds)
    ratios = _divide(times) + _divide(unsummed)[1:]
    times[UNSUMMED] = unsummed[UNSUMMED]
    print(f"Server time in ms, all middlewares, {calls:,} calls in the log, medians of {rounds}\n")
    shown = [
        (page, f"{median(taken) * 1000:.1f}", f"{ratio.value:.1f}")
        for (page, taken), ratio in zip(times.items(), ratios, strict=True)
    ]
    print(format_table(("page", "ms", "x bare"), shown))
    print(f"\nReplays and pages, {used:,} more calls in 30 days, {keys:,} keys; CPU is that of the portal")
    print('"first": nothing is kept of its keys and sums; "an entry changed": of an IP list, since it was asked last\n')
    print(format_table(("replay or page", "ms", "x bare", "CPU x bare"), [each.row for each in replays]))
    worst = max(ratios, key=lambda ratio: ratio.value)
    every = [*ratios[1:], *(Ratio(f"pages, replay of {each.name}", each.samples) for each in replays)]
    slowest = max((each for each in replays if each.is_repeated), key=lambda each: median(each.samples))
    return [
        *every,
        Ratio("pages, replays", slowest.samples, must=6, aim=4),
        Ratio("pages", worst.samples, must=6, aim=4),
    ]


def _measure(client: Any, pages: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each page, in turn, by its name; `pages` maps names to URLs."""
    times: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(rounds):
        for name, url in pages.items():
            began = time.perf_counter()
            response = client.get(url)
            times[name].append(time.perf_counter() - began)
            if response.status_code != 200:
                raise SystemExit(f"{url}: {response.status_code}")
    return times


def _list_filtered(account_id: int) -> dict[str, str]:
    """Return the log and its chart with each filter of `log-page`."""
    return {
        f"{page}, {name}": f"{page}?{urlencode(fill_in(filters, account_id))}"
        for name, filters in FILTERS.items()
        for page in ("/logs/", "/logs/chart/")
    }


def _divide(times: dict[str, list[float]]) -> list[Ratio]:
    """Return the pages' ratios to the bare view of their round."""
    floors = times[BARE]
    return [
        Ratio(f"pages {page}", [taken / floor for taken, floor in zip(each, floors, strict=True)])
        for page, each in times.items()
    ]


def _account(calls: int) -> tuple[Any, str]:
    """Create an Administrator with a full list of keys and a log; return the user and an API ID."""
    from accounts.models import Account, User
    from benchmarks.installation import make_keys
    from keys.models import Key

    make_keys(200)
    account, user = Account.objects.get(), User.objects.get()
    User.objects.filter(pk=user.pk).update(roles=["administrator"])
    make_calls(account.pk, calls)
    return User.objects.get(), Key.objects.order_by("pk")[0].public_id
