"""Verification, the key list and the API log with 1, 10 and 100 times the keys and calls, and what a key and a call
take."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.bare_page import BARE, add_bare_page
from benchmarks.contenders import Contender, build_nginx_headers, get_rounds, run_in_turn
from benchmarks.figures import format_table
from benchmarks.installation import build_signed_in_client, copy_database, copy_keys, installation, make_keys
from benchmarks.logs import make_calls
from benchmarks.results import Ratio
from benchmarks.servers import gateway
from benchmarks.sizes import Size

FACTORS = (1, 10, 100)
PAGES = (
    *("/keys/", "/keys/?q=Shop+7", "/keys/?sort=-used", "/keys/?addresses=restricted"),
    *("/logs/", "/logs/?decision=denied", "/logs/?address=203.0.113.7", "/logs/?range=24h"),
)
KEY_TABLES = ("keys_key", "keys_secret", "keys_address", "keys_keymodule", "keys_keylisting")


def run(size: Size) -> list[Ratio]:
    keys, calls, page_rounds = size.choose(quick=(20, 100, 1), normal=(1_000, 10_000, 15), full=(10_000, 100_000, 30))
    rounds, seconds = get_rounds(size)
    pages: dict[str, list[list[float]]] = {page: [] for page in PAGES}
    with installation():
        tokens = make_keys(keys)
        client, account = _sign_in()
        databases = []
        others: list[str] = []
        for factor in FACTORS:
            if factor > 1:
                others = copy_keys(keys * (factor - factor // 10))
            make_calls(account, calls * (factor - (factor // 10)))
            for page, taken in _measure_pages(client, page_rounds).items():
                pages[page].append(taken)
            # The last is the installation's own.
            databases.append("" if factor == FACTORS[-1] else copy_database(f"times_{factor}"))
        asked = others[: keys * 5]
        gateways = [gateway(database=database) for database in databases]
        with gateways[0] as first, gateways[1] as second, gateways[2] as third, gateway() as wide:
            sizes = [
                Contender(f"{factor} x", server, "/v1/verify/billing", tokens)
                for factor, server in zip(FACTORS, (first, second, third), strict=True)
            ]
            run_in_turn(sizes, build_nginx_headers(), rounds=rounds, seconds=seconds)
            before = wide.memory()
            Contender("", wide, "/v1/verify/billing", asked).measure(build_nginx_headers(), len(asked) // 2000 + 1)
            memory = (wide.memory() - before) / len(asked)
        key_bytes, call_bytes = _get_row_sizes()
    smallest = sizes[0]
    costs = {"a call verified": [smallest.get_ratios_to(one) for one in sizes]}
    costs |= {page: [_divide(taken, each[0]) for taken in each] for page, each in pages.items()}
    print(f"1 x is {keys:,} keys and {calls:,} calls. Cost beside 1 x: of a call by calls a second, of a page by its")
    print("server time over that of a page that only looks up the user, measured in turn.\n")
    rows = [(name, *(f"{median(ratios):.2f}" for ratios in each)) for name, each in costs.items()]
    print(format_table(("", *(f"{factor} x" for factor in FACTORS)), rows))
    print(f"\nOn disk, with indexes: {key_bytes:,.0f} bytes a key, {call_bytes:,.0f} bytes a call")
    print(f"In a gateway process: {memory / 1000:.1f} KB for each key that it was asked about")
    ratios = [Ratio(f"growth {name}", each[-1]) for name, each in costs.items()]
    worst = max(ratios, key=lambda ratio: ratio.value)
    return [*ratios, Ratio("growth", worst.samples, must=1.5, aim=1.1)]


def _sign_in() -> tuple[Any, int]:
    """Return a client signed in as the account's Administrator, and the account's primary key."""
    from accounts.models import User
    from config.static_build import collect_static

    add_bare_page()
    collect_static()
    user = User.objects.get()
    User.objects.filter(pk=user.pk).update(roles=["administrator"])
    assert user.account_id is not None
    return build_signed_in_client(user), user.account_id


def _measure_pages(client: Any, rounds: int) -> dict[str, list[float]]:
    """Return, for each page, its seconds over those of the bare page of the same round."""
    taken: dict[str, list[float]] = {page: [] for page in PAGES}
    # What this process made to fill the database is no part of a page's cost.
    gc.collect()
    gc.freeze()
    for page in (BARE, *PAGES):
        client.get(page)
    for _ in range(rounds):
        floor = _time(partial(client.get, BARE))
        for page, times in taken.items():
            times.append(_time(partial(client.get, page)) / floor)
    return taken


def _time(get: Callable[[], Any]) -> float:
    began = time.perf_counter()
    response = get()
    seconds = time.perf_counter() - began
    if response.status_code != 200:
        raise SystemExit(f"{response.request['PATH_INFO']}: {response.status_code}")
    return seconds


def _divide(taken: list[float], smallest: list[float]) -> list[float]:
    """Return the rounds as multiples of the median at the smallest size."""
    return [each / median(smallest) for each in taken]


def _get_row_sizes() -> tuple[float, float]:
    """Return the bytes of a key in its tables and of a call in its partitions, indexes included."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(name::regclass)) / (SELECT count(*) FROM keys_key)"
            " FROM unnest(%s::text[]) AS name",
            [list(KEY_TABLES)],
        )
        (key,) = cursor.fetchone()
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) / (SELECT count(*) FROM audit_call)"
            " FROM pg_partition_tree('audit_call') WHERE isleaf"
        )
        (call,) = cursor.fetchone()
    return float(key), float(call)
