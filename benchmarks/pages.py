"""Each page of the portal, and what forms ask before a change is saved, beside a bare Django page with a session
(benchmarks/bare_page.py): server time, medians. --full replays changes over 1,000,000 calls of 10,000 keys."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlencode

from benchmarks.bare_page import BARE, LEAN, add_bare_page
from benchmarks.figures import format_table
from benchmarks.installation import build_signed_in_client, installation
from benchmarks.logs import make_calls, sum_calls
from benchmarks.results import Ratio
from benchmarks.sizes import Size

PAGES = (
    *("/", "/keys/", "/keys/new/?api=billing", "/keys/{key}/", "/keys/{key}/edit/", "/keys/{key}/docs/"),
    *("/ip-lists/", "/logs/", "/logs/?range=24h", "/logs/chart/", "/audit/", "/users/", "/settings/", "/profile/"),
    # Filters that no row passes.
    *("/logs/?status=5xx", "/logs/?path=nowhere", "/logs/chart/?status=5xx", "/logs/chart/?path=nowhere"),
    "/apis/billing/",
)
UNSUMMED = "/logs/chart/, nothing summed"
# Of many keys, which are old and in use.
PAGES_OF_MANY_KEYS = (
    "/",
    "/keys/?secret=old",
    "/unused/",
    "/unused/modules/",
    "/unused/addresses/",
    "/unused/ip-lists/",
)


def run(size: Size) -> list[Ratio]:
    rounds, calls = size.choose(quick=(2, 2_000), normal=(20, 200_000), full=(60, 200_000))
    keys, used = size.choose(quick=(300, 3_000), normal=(500, 50_000), full=(10_000, 1_000_000))
    with installation():
        from config.static_build import collect_static

        add_bare_page()
        collect_static()
        user, key = _account(calls)
        client = build_signed_in_client(user)
        unsummed = _measure(client, {BARE: BARE, UNSUMMED: "/logs/chart/"}, rounds)
        sum_calls()
        times = _measure(client, {page: page.format(key=key) for page in (BARE, LEAN, *PAGES)}, rounds)
        replays = _measure_replays(client, user.account, keys, used, rounds)
    ratios = _divide(times) + _divide(unsummed)[1:]
    times[UNSUMMED] = unsummed[UNSUMMED]
    print(f"Server time in ms, all middlewares, {calls:,} calls in the log, medians of {rounds}\n")
    shown = [
        (page, f"{median(taken) * 1000:.1f}", f"{ratio.value:.1f}")
        for (page, taken), ratio in zip(times.items(), ratios, strict=True)
    ]
    print(format_table(("page", "ms", "x bare"), shown))
    print(f"\nReplays and pages, {used:,} more calls in 30 days, {keys:,} keys; CPU is that of the portal\n")
    print(format_table(("replay or page", "ms", "x bare", "CPU x bare"), [each.row for each in replays]))
    worst = max(ratios, key=lambda ratio: ratio.value)
    every = [*ratios[1:], *(Ratio(f"pages, replay of {each.name}", each.samples) for each in replays)]
    slowest = max(replays, key=lambda each: median(each.samples))
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


def _divide(times: dict[str, list[float]]) -> list[Ratio]:
    """Return the pages' ratios to the bare view of their round."""
    floors = times[BARE]
    return [
        Ratio(f"pages {page}", [taken / floor for taken, floor in zip(each, floors, strict=True)])
        for page, each in times.items()
    ]


class _Replay(NamedTuple):
    """Ratios to the bare view, of each round."""

    name: str
    seconds: float
    samples: list[float]
    processor: list[float]

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.name, f"{self.seconds * 1000:.1f}", f"{median(self.samples):.1f}", f"{median(self.processor):.1f}"


def _measure_replays(client: Any, account: Any, keys: int, calls: int, rounds: int) -> list[_Replay]:
    """Measure what the forms ask as they are filled in, in turn with the bare view."""
    from django.db import connections
    from django.utils import timezone

    from benchmarks.installation import copy_keys
    from benchmarks.usage import make_lists, make_usage
    from keys.models import IpListEntry, Key, KeyListing

    copy_keys(keys - Key.objects.count())
    make_usage(account, calls)
    busy, *_, quiet = Key.objects.filter(account=account).order_by("pk")
    lists = make_lists(account)
    settings = {"name": "Shop", "platform": "server", "addresses": "127.0.0.0/24", "every_module": "all"}
    settings |= {"expiry": "keep", "enabled": "on", "was_enabled": "on", "check": "live"}
    entry = {"network": "127.0.0.0/24", "enabled": "on", "check": "live", "stamp": "-"}
    forms: dict[str, tuple[str, Any]] = {
        "a key with a tenth of the calls": (f"/keys/{busy.public_id}/edit/", settings | {"version": busy.version}),
        "a key with few calls": (f"/keys/{quiet.public_id}/edit/", settings | {"version": quiet.version}),
        "an IP list of 100 keys": _get_entry_url(lists.of_some, entry),
        "an IP list of all other keys": _get_entry_url(lists.of_others, entry),
    }
    created_at = timezone.now() - timedelta(days=200)
    Key.objects.update(created_at=created_at)
    IpListEntry.objects.update(created_at=created_at)
    KeyListing.objects.update(used_at=timezone.now())
    with connections["maintenance"].cursor() as cursor:
        # As autovacuum does in a running installation; every row was just rewritten.
        cursor.execute("VACUUM ANALYZE")
    times = _time_forms(client, forms, rounds)
    floors = times.pop("bare")
    return [
        _Replay(
            name,
            median(wall for wall, _ in each),
            [mine[0] / bare[0] for mine, bare in zip(each, floors, strict=True)],
            [mine[1] / bare[1] for mine, bare in zip(each, floors, strict=True)],
        )
        for name, each in times.items()
    ]


def _time_forms(client: Any, forms: dict[str, tuple[str, Any]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of the bare view, each form and each page of many keys, in turn, by their names."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ("bare", *forms, *PAGES_OF_MANY_KEYS)}
    for _ in range(rounds):
        for name, taken in times.items():
            began, processor = time.perf_counter(), time.process_time()
            if name not in forms:
                response = client.get(BARE if name == "bare" else name)
            else:
                url, data = forms[name]
                # As htmx sends it.
                form = urlencode(data), "application/x-www-form-urlencoded"
                response = client.post(url, *form, headers={"HX-Request": "true"})
            taken.append((time.perf_counter() - began, time.process_time() - processor))
            if response.status_code != 200 or (name in forms and b"Would have refused" not in response.content):
                raise SystemExit(f"{name}: {response.status_code} {response.content[:500]!r}")
    return times


def _get_entry_url(ip_list: Any, entry: dict[str, str]) -> tuple[str, dict[str, str]]:
    return f"/ip-lists/{ip_list.pk}/entries/{ip_list.entries.get().pk}/edit/", entry


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
