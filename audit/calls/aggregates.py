"""Aggregate the newest rows of the API log: what rollups do not hold (durations, addresses, narrow time steps).

Each query scans the newest MAX_ROWS_SCANNED rows of a queryset, which an index serves, and aggregates those that pass
`matching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from audit.models import Call
from audit.paging import MAX_ROWS_SCANNED

# SCAN stands for the scanned rows; `matches` says which of them pass.
DURATIONS = """
    SELECT api, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms),
        percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)
    FROM (SCAN) AS scan WHERE matches AND duration_ms IS NOT NULL GROUP BY api ORDER BY api
"""
ADDRESSES = """
    SELECT host(client_address), sum(folded), max(time) FROM (SCAN) AS scan
    WHERE matches AND decision = 'denied' GROUP BY client_address ORDER BY 2 DESC, 3 DESC LIMIT %s
"""
RANGE = "SELECT count(*), min(time), min(time) FILTER (WHERE matches) FROM (SCAN) AS scan"
BY_STEP = """
    SELECT date_bin(make_interval(secs => %s), time, %s), coalesce(sum(folded) FILTER (WHERE decision = 'allowed'), 0),
        coalesce(sum(folded) FILTER (WHERE decision = 'denied'), 0)
    FROM (SCAN) AS scan WHERE matches GROUP BY 1
"""
MAX_ADDRESSES = 20


def get_duration_percentiles(rows: QuerySet[Call], matching: Q) -> list[tuple[str, int, float, float]]:
    """Return (API, calls, p50, p95) in milliseconds, of the calls whose duration is known."""
    return _query_newest(DURATIONS, rows, matching, "api", "duration_ms")


def count_denied_by_address(rows: QuerySet[Call], matching: Q) -> list[tuple[str | None, int, datetime]]:
    """Return (client address, denied calls, time of the last) for the MAX_ADDRESSES addresses with the most of them."""
    return _query_newest(ADDRESSES, rows, matching, "client_address", "decision", "folded", after=[MAX_ADDRESSES])


def get_scanned_range(rows: QuerySet[Call], matching: Q) -> tuple[datetime | None, datetime | None]:
    """Return the time of the oldest scanned row, None if all rows were scanned, and that of the oldest match."""
    ((scanned, oldest, oldest_match),) = _query_newest(RANGE, rows, matching)
    return oldest if scanned == MAX_ROWS_SCANNED else None, oldest_match


def count_by_step(
    rows: QuerySet[Call], matching: Q, since: datetime, origin: datetime, step: timedelta
) -> list[tuple[datetime, int, int]]:
    """Return (start of the step, allowed, denied) of the calls from `since` on; steps begin at `origin`."""
    rows = rows.filter(time__gte=since)
    return _query_newest(BY_STEP, rows, matching, "decision", "folded", before=[step.total_seconds(), origin])


def _query_newest(
    sql: str, rows: QuerySet[Call], matching: Q, *columns: str, before: Sequence[Any] = (), after: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Run `sql` over the scan, which has these columns, `time` and `matches`; `before` and `after` are the statement's
    parameters in front of and behind the scan's."""
    matches = ExpressionWrapper(matching or Q(time__isnull=False), output_field=BooleanField())
    newest = rows.order_by("-time").annotate(matches=matches).values("time", "matches", *columns)[:MAX_ROWS_SCANNED]
    scan, params = newest.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(sql.replace("SCAN", scan), [*before, *params, *after])
        return cursor.fetchall()
