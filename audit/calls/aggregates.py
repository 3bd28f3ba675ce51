"""Aggregate the newest rows of the API log: what rollups do not hold (durations, addresses, narrow time steps).

Each query scans the newest rows of a queryset, which an index serves, and aggregates those that pass `matching`:
MAX_ROWS_SCANNED for the bars of a chart, MAX_ROWS_SAMPLED for durations and addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from audit.models import Call
from audit.paging import MAX_ROWS_SCANNED
from core.lists import MAX_ROWS_COUNTED

# SCAN stands for the scanned rows, of which `matches` says which pass, ROWS for those that pass.
DURATIONS = """
    SELECT api, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms),
        percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)
    FROM (SCAN) AS scan WHERE matches AND duration_ms IS NOT NULL GROUP BY api ORDER BY api
"""
ADDRESSES = """
    SELECT host(client_address), sum(folded), max(time) FROM (SCAN) AS scan
    WHERE matches GROUP BY client_address ORDER BY 2 DESC, 3 DESC LIMIT %s
"""
BY_STEP = """
    SELECT date_bin(make_interval(secs => %s), time, %s), coalesce(sum(folded) FILTER (WHERE decision = 'allowed'), 0),
        coalesce(sum(folded) FILTER (WHERE decision = 'denied'), 0)
    FROM (ROWS) AS found GROUP BY 1
"""
OTHERS = "SELECT EXISTS (SELECT FROM (SCAN) AS scan WHERE matches IS NOT TRUE)"
MAX_ADDRESSES = 20
# What is shown beside the chart, on every page of the log, must not cost more than the page.
MAX_ROWS_SAMPLED = 5_000


def get_duration_percentiles(rows: QuerySet[Call], matching: Q) -> list[tuple[str, int, float, float]]:
    """Return (API, calls, p50, p95) in milliseconds, of the calls whose duration is known."""
    return _query_newest(DURATIONS, rows, matching, "api", "duration_ms", limit=MAX_ROWS_SAMPLED)


def count_denied_by_address(rows: QuerySet[Call], matching: Q) -> list[tuple[str | None, int, datetime]]:
    """Return (client address, denied calls, time of the last) for the MAX_ADDRESSES addresses with the most of them."""
    columns = "client_address", "folded"
    # Of each row, whether it is denied is checked first, which takes less than most filters.
    denied = Q(decision="denied") & matching
    return _query_newest(ADDRESSES, rows, denied, *columns, after=[MAX_ADDRESSES], limit=MAX_ROWS_SAMPLED)


def count_newest(rows: QuerySet[Call], matching: Q) -> int | None:
    """Return the number of matching rows, as core.lists.count_rows does; None if there are more rows than are counted
    and not all of them match."""
    if not rows.order_by("-time")[MAX_ROWS_COUNTED : MAX_ROWS_COUNTED + 1].exists():
        return rows.filter(matching).count()
    # PostgreSQL reads no further than to the first row that does not match.
    others = matching and _query_newest(OTHERS, rows, matching, limit=MAX_ROWS_COUNTED + 1) != [(False,)]
    return None if others else MAX_ROWS_COUNTED + 1


def get_scan_start(rows: QuerySet[Call]) -> datetime | None:
    """Return the time of the oldest of the newest MAX_ROWS_SCANNED rows; None if there are fewer."""
    times = rows.order_by("-time").values_list("time", flat=True)
    return next(iter(times[MAX_ROWS_SCANNED - 1 : MAX_ROWS_SCANNED]), None)


def get_first_match(rows: QuerySet[Call], matching: Q) -> datetime | None:
    """Return the time of the oldest of `rows` that matches. There must be fewer than MAX_ROWS_SCANNED."""
    return rows.filter(matching).order_by("time").values_list("time", flat=True).first()


def count_by_step(
    rows: QuerySet[Call], matching: Q, since: datetime, origin: datetime, step: timedelta
) -> list[tuple[datetime, int, int]]:
    """Return (start of the step, allowed, denied) of the calls from `since` on, which must not be before the scan's
    start; steps begin at `origin`."""
    found, params = rows.filter(matching, time__gte=since).values("time", "decision", "folded").query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(BY_STEP.replace("ROWS", found), [step.total_seconds(), origin, *params])
        return cursor.fetchall()


def _query_newest(
    sql: str,
    rows: QuerySet[Call],
    matching: Q,
    *columns: str,
    limit: int,
    after: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """Run `sql` over the scan of `limit` rows, which has these columns, `time` and `matches`; `after` are the
    statement's parameters behind the scan's."""
    matches = ExpressionWrapper(matching or Q(time__isnull=False), output_field=BooleanField())
    newest = rows.order_by("-time").annotate(matches=matches).values("time", "matches", *columns)[:limit]
    scan, params = newest.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(sql.replace("SCAN", scan), [*params, *after])
        return cursor.fetchall()
