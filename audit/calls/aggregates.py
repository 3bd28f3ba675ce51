"""Aggregate the newest rows of the API log: what rollups do not hold (durations, addresses, narrow time steps).

The rows of a queryset that an index serves are read once, from the newest on: as many as a page scans for the bars of a
chart, of which those that pass are counted up to one more than MAX_ROWS_COUNTED; MAX_ROWS_SAMPLED for durations and
addresses, MAX_KEY_ROWS_SAMPLED of one key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Q, QuerySet

from audit.models import Call
from core.lists import MAX_ROWS_COUNTED

# ROWS stands for the rows that pass, PASSED for what the parts of the statement read; the first column tells the parts
# apart. With STEPS, each row is tested once and kept; without, the filters are so cheap that reading twice takes less.
FIGURES = """
    SELECT * FROM (
        WITH COUNTED sample AS NOT MATERIALIZED (SELECT * FROM PASSED WHERE time >= %s)
        SELECT 'api' AS part, api AS name, NULL::timestamptz AS time, count(*) AS calls, NULL::bigint AS denied,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) AS half,
            percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS most
        FROM sample WHERE duration_ms IS NOT NULL GROUP BY api
        UNION ALL
        SELECT * FROM (
            SELECT 'address', host(client_address), max(time), sum(folded), NULL::bigint, NULL::float8, NULL::float8
            FROM sample WHERE decision = 'denied' GROUP BY client_address ORDER BY 4 DESC, 3 DESC LIMIT %s
        ) AS addresses
        STEPS
    ) AS figures
"""
PASSED = "(ROWS) AS passed"
COUNTED = f"counted AS MATERIALIZED (SELECT * FROM {PASSED} ORDER BY time DESC LIMIT %s),"
STEPS = """
        UNION ALL
        SELECT 'counted', NULL, min(time), count(*), NULL, NULL, NULL FROM counted
        UNION ALL
        SELECT 'step', NULL, date_bin(make_interval(secs => %s), time, %s),
            coalesce(sum(folded) FILTER (WHERE decision = 'allowed'), 0),
            coalesce(sum(folded) FILTER (WHERE decision = 'denied'), 0), NULL, NULL
        FROM counted GROUP BY 3
"""
MAX_ADDRESSES = 20
# What is shown beside the chart, on every page of the log, must not cost more than the page.
MAX_ROWS_SAMPLED = 2_500
# Those of one key lie far apart in the table.
MAX_KEY_ROWS_SAMPLED = 1_000


class Newest(NamedTuple):
    """The times of the oldest row of the newest that are sampled, and of those that are scanned; None where there are
    fewer, or it was not asked for."""

    sampled: datetime | None
    scanned: datetime | None = None


class Steps(NamedTuple):
    """The bars of a chart that is counted from rows: of calls from `since` on; steps begin at `origin`."""

    since: datetime
    origin: datetime
    step: timedelta


class Figures(NamedTuple):
    """What is aggregated of rows that pass: (API, calls, p50, p95) in milliseconds, of the newest calls whose duration
    is known; (client address, denied calls, time of the last) for the MAX_ADDRESSES addresses with the most of them;
    of a chart that is counted from rows (start of the step, allowed, denied), the number of rows, and the time of the
    oldest of them."""

    durations: list[tuple[str, int, float, float]]
    addresses: list[tuple[str | None, int, datetime]]
    steps: list[tuple[datetime, int, int]]
    counted: int = 0
    counted_since: datetime | None = None

    @property
    def has_more(self) -> bool:
        """Whether more rows pass than are counted; older ones than `counted_since` may be missing."""
        return self.counted > MAX_ROWS_COUNTED


def find_newest(rows: QuerySet[Call], sampled: int, scanned: int | None = None) -> Newest:
    """Return how far back so many of the newest rows reach."""
    limits = [sampled, *([scanned] if scanned else [])]
    times, params = rows.order_by("-time").values("time").query.sql_with_params()
    joined, values, passed = "(SELECT 'infinity'::timestamptz AS time) AS newest_1", [], 1
    for limit in sorted({*limits}):
        # Looked for from the last one on.
        found = f"SELECT time FROM ({times}) AS times WHERE time <= newest_{passed}.time LIMIT 1 OFFSET %s"
        joined += f" LEFT JOIN LATERAL ({found}) AS newest_{limit} ON TRUE"
        values += [*params, limit - passed]
        passed = limit
    columns = ", ".join(f"newest_{limit}.time" for limit in limits)
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {joined}", values)
        return Newest(*cursor.fetchone())


def get_first_match(rows: QuerySet[Call], matching: Q) -> datetime | None:
    """Return the time of the oldest of `rows` that matches. There must be fewer than are scanned."""
    return rows.filter(matching).order_by("time").values_list("time", flat=True).first()


def get_figures(rows: QuerySet[Call], matching: Q, newest: Newest, steps: Steps | None = None) -> Figures:
    """Aggregate the newest rows that pass `matching`: durations and addresses, and with `steps`, which must not begin
    before the scan, the bars of a chart."""
    since = steps.since if steps else newest.sampled
    found = rows.filter(matching, time__gte=since) if since else rows.filter(matching)
    columns = ("time", "decision", "folded", "api", "duration_ms", "client_address")
    sql, params = found.values(*columns).query.sql_with_params()
    sampled = newest.sampled or "-infinity"
    values: list[Any] = [*params, *([MAX_ROWS_COUNTED + 1] if steps else []), sampled, MAX_ADDRESSES]
    figures = FIGURES.replace("COUNTED", COUNTED if steps else "").replace("PASSED", "counted" if steps else PASSED)
    if steps:
        values += [steps.step.total_seconds(), steps.origin]
    with connections[rows.db].cursor() as cursor:
        cursor.execute(figures.replace("STEPS", STEPS if steps else "").replace("ROWS", sql), values)
        parts = cursor.fetchall()
    counted, counted_since = next(((calls, time) for part, _, time, calls, *_ in parts if part == "counted"), (0, None))
    return Figures(
        sorted((name, calls, *times) for part, name, _, calls, _, *times in parts if part == "api"),
        sorted(
            ((name, int(calls), last) for part, name, last, calls, *_ in parts if part == "address"),
            key=lambda address: (address[1], address[2]),
            reverse=True,
        ),
        [(start, calls, denied) for part, _, start, calls, denied, *_ in parts if part == "step"],
        counted,
        counted_since,
    )


def count_newest(rows: QuerySet[Call], matching: Q) -> int | None:
    """Return the number of matching rows, as core.lists.count_rows does; None if there are more rows than are counted
    and not all of them need match."""
    total = rows.order_by()[: MAX_ROWS_COUNTED + 1].count()
    if not matching:
        return total
    return None if total > MAX_ROWS_COUNTED else rows.filter(matching).count()
