"""The page of the API log with each filter, with many rows beside few: its cost must not grow with the log."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.figures import format_table, measure_in_turn
from benchmarks.installation import installation
from benchmarks.logs import get_key_id, make_calls
from benchmarks.results import Ratio
from benchmarks.sizes import Size

HIDDEN = "path contains, numbers hidden"
KEYS = 200
# {7} is the API ID of the account's seventh key.
FILTERS: dict[str, dict[str, str]] = {
    "none": {},
    "last 24 hours": {"range": "24h"},
    "key": {"key_id": "{7}"},
    "key name": {"key": "Shop 19"},
    "API": {"api": "lynx"},
    "owner": {"owner": "owner7"},
    "denied": {"decision": "denied"},
    "reason": {"reason": "key_expired"},
    "status": {"status": "5xx"},
    "method": {"method": "POST"},
    "path contains": {"path": "4999"},
    "path contains, never": {"path": "nowhere"},
    HIDDEN: {"path": "4999"},
    "module": {"module": "payments"},
    "address": {"address": "203.0.113.7"},
    "range of addresses": {"address": "198.51.100.0/24"},
    "key and path, never": {"key_id": "{7}", "path": "nowhere"},
    "key and denied": {"key_id": "{25}", "decision": "denied"},
    "address and reason": {"address": "203.0.113.25", "reason": "ip_not_allowed"},
    "owner and path": {"owner": "owner3", "path": "/customers/4323"},
    "denied, last 7 days": {"decision": "denied", "range": "7d"},
}


def run(size: Size) -> list[Ratio]:
    few, many, rounds, seconds = size.choose(
        quick=(500, 5_000, 1, 0), normal=(100_000, 1_000_000, 15, 1), full=(100_000, 10_000_000, 15, 3)
    )
    with installation():
        from accounts.models import Account
        from audit import paging

        # A page of an account, or a key, with fewer rows than this scans all of them, and then more rows cost more.
        paging.MAX_ROWS_SCANNED = min(paging.MAX_ROWS_SCANNED, few)
        paging.MAX_KEY_ROWS_SCANNED = min(paging.MAX_KEY_ROWS_SCANNED, few // KEYS)
        small = Account.objects.create(slug="small", name="Small", status="active")
        large = Account.objects.create(slug="large", name="Large", status="active")
        make_calls(small.pk, few)
        make_calls(large.pk, many)
        row_bytes = _bytes_a_row()
        rows, ratios = [], []
        for name, filters in FILTERS.items():
            pages = [partial(_page, account.pk, filters, hidden=name == HIDDEN) for account in (small, large)]
            at_few, at_many = measure_in_turn(pages, rounds, seconds)
            # Differences below a millisecond are noise.
            ratios.append(Ratio(f"log-page {name}", [max(at_many, 1.0) / max(at_few, 1.0)]))
            rows.append((name, f"{at_few:.1f}", f"{at_many:.1f}", f"{ratios[-1].value:.2f}"))
    print(f"Server time of a page in ms, {few:,} and {many:,} rows in one account, medians of {rounds} or more\n")
    print(format_table(("filter", f"{few:,}", f"{many:,}", "ratio"), rows))
    print(f"\nA row takes {row_bytes:.0f} bytes, its part of the indexes included")
    return [*ratios, Ratio("log-page", [max(ratio.value for ratio in ratios)], must=1.5, aim=1.1)]


def fill_in(filters: dict[str, str], account_id: int) -> dict[str, str]:
    """Return the filters with the API ID of the account's key for its number."""
    return {
        name: get_key_id(account_id, int(value[1:-1])) if value.startswith("{") else value
        for name, value in filters.items()
    }


def _bytes_a_row() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) / (SELECT count(*) FROM audit_call)"
            " FROM pg_partition_tree('audit_call') WHERE isleaf"
        )
        return float(cursor.fetchone()[0])


def _page(account_id: int, filters: dict[str, str], *, hidden: bool) -> None:
    from django.http import QueryDict
    from django.utils.http import urlencode

    from audit.calls.filters import CallPageFilter
    from audit.calls.selectors import get_call_page, list_calls
    from core.phone_masking import Mask

    given = fill_in(filters, account_id)
    mask = Mask(4, "last") if hidden else None
    calls: Any = CallPageFilter(QueryDict(urlencode(given)), list_calls(account_id), mask=mask)
    if not calls.is_valid():
        raise SystemExit(f"{filters}: {calls.errors}")
    get_call_page(calls)
