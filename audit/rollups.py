"""Sums of the API log by hour, so that charts and estimates never count rows: made when an hour is sealed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

ADD = """
    INSERT INTO audit_rollup (hour, account_id, api, key_id, reason, rows, calls)
    SELECT date_trunc('hour', time, 'UTC'), account_id, api, key_id, reason, count(*), sum(folded)
    FROM audit_call WHERE time >= %s AND time < %s GROUP BY 1, 2, 3, 4, 5
"""
# Time after the last sum is counted from rows, newest first, this many at the most.
LONGEST_TAIL = 100_000


class Bar(NamedTuple):
    """One bar of a chart: allowed and denied calls from `start` on, for the chart's step."""

    start: datetime
    allowed: int
    denied: int


def add(since: datetime, until: datetime) -> None:
    """The sums of these hours, in the transaction that seals them."""
    with connection.cursor() as cursor:
        cursor.execute(ADD, [since, until])


def bars(
    *, account_id: int, since: datetime, until: datetime, step: timedelta, **narrowed: str
) -> tuple[list[Bar], datetime | None]:
    """The account's calls from `since` to `until`, in steps of at least an hour that begin at whole ones.

    `narrowed` may name api, key_id and reason. Also returns the time before which the newest, unsealed calls were not
    counted, None when all were.
    """
    conditions = "".join(f" AND {name} = %s" for name in narrowed)
    values = list(narrowed.values())
    seconds = int(step.total_seconds())
    found: dict[datetime, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(hour) + interval '1 hour' FROM audit_rollup")
        (sealed,) = cursor.fetchone()
        tail_from = max(since, sealed) if sealed else since
        cursor.execute(
            "SELECT date_bin(make_interval(secs => %s), hour, %s), sum(calls) FILTER (WHERE reason = ''),"
            " sum(calls) FILTER (WHERE reason <> '') FROM audit_rollup"
            f" WHERE account_id = %s AND hour >= %s AND hour < %s{conditions} GROUP BY 1",
            [seconds, since, account_id, since, until, *values],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.execute(
            "SELECT date_bin(make_interval(secs => %s), time, %s), count(*) FILTER (WHERE reason = ''),"
            " count(*) FILTER (WHERE reason <> ''), sum(count(*)) OVER (), min(min(time)) OVER () FROM ("
            "  SELECT time, reason FROM audit_call WHERE account_id = %s AND time >= %s AND time < %s"
            f" {conditions} ORDER BY time DESC LIMIT {LONGEST_TAIL}) tail GROUP BY 1",
            [seconds, since, account_id, tail_from, until, *values],
        )
        tail = cursor.fetchall()
    for start, allowed, denied, *_ in [*rows, *tail]:
        bar = found.setdefault(start, [0, 0])
        bar[0] += allowed or 0
        bar[1] += denied or 0
    cut = tail[0][4] if tail and tail[0][3] == LONGEST_TAIL else None
    return _filled(found, since, until, step), cut


def _filled(found: dict[datetime, list[int]], since: datetime, until: datetime, step: timedelta) -> list[Bar]:
    """Steps without a call are bars too."""
    made, start = [], since
    while start < until:
        made.append(Bar(start, *found.get(start, (0, 0))))
        start += step
    return made
