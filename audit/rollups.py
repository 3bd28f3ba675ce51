"""Sums of the API log by hour, so that charts and estimates never count rows: made when an hour is sealed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, connections

from audit.snapshot import reading

ADD = """
    INSERT INTO audit_rollup (hour, account_id, api, key_id, reason, rows, calls)
    SELECT date_trunc('hour', time, 'UTC'), account_id, api, key_id, reason, count(*), sum(folded)
    FROM audit_call WHERE time >= %s AND time < %s GROUP BY 1, 2, 3, 4, 5
"""
# Time after the last sum is counted from rows, newest first, this many at the most.
LONGEST_TAIL = 100_000


HOUR = timedelta(hours=1)
# How a chart may be narrowed, on sums and rows alike.
CONDITIONS = {
    "api": "api = %s",
    "key_id": "key_id = %s",
    "reason": "reason = %s",
    "decision": "(reason <> '') = (%s = 'denied')",
}
SUMS = """
    SELECT date_bin(make_interval(secs => %%s), hour, %%s), sum(calls) FILTER (WHERE reason = ''),
        sum(calls) FILTER (WHERE reason <> '')
    FROM audit_rollup WHERE account_id = %%s AND hour >= %%s AND hour < %%s %s GROUP BY 1
"""
TAIL = """
    SELECT date_bin(make_interval(secs => %%s), time, %%s), count(*) FILTER (WHERE reason = ''),
        count(*) FILTER (WHERE reason <> ''), sum(count(*)) OVER (), min(min(time)) OVER ()
    FROM (
        SELECT time, reason FROM audit_call
        WHERE account_id = %%s AND folded = 1 AND time >= %%s AND time < %%s %s ORDER BY time DESC LIMIT %%s
    ) tail GROUP BY 1
"""


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
    """The account's calls from `since` on, in steps up to `until`. Sums serve steps of whole hours that begin at one;
    shorter steps are counted from rows.

    `narrowed` may name api, key_id, reason and decision. Also returns the time before which calls that are not summed
    yet were not counted, None when all were.
    """
    conditions = "".join(f" AND {CONDITIONS[name]}" for name in narrowed)
    values = list(narrowed.values())
    seconds = step.total_seconds()
    counted: dict[datetime, list[int]] = {}
    with connections[reading()].cursor() as cursor:
        tail_from = since
        if step >= HOUR:
            cursor.execute("SELECT max(hour) + interval '1 hour' FROM audit_rollup")
            (summed,) = cursor.fetchone()
            # Of the hour in which the range ends, a sum would hold what comes after it.
            tail_from = max(since, min(summed, until - (until - since) % HOUR)) if summed else since
            cursor.execute(SUMS % conditions, [seconds, since, account_id, since, tail_from, *values])
            _count(counted, cursor.fetchall())
        cursor.execute(TAIL % conditions, [seconds, since, account_id, tail_from, until, *values, LONGEST_TAIL])
        tail = cursor.fetchall()
    _count(counted, [row[:3] for row in tail])
    cut = tail[0][4] if tail and tail[0][3] == LONGEST_TAIL else None
    count = -((since - until) // step)
    return [Bar(at, *counted.get(at, (0, 0))) for at in (since + n * step for n in range(count))], cut


def estimate(*, account_id: int, since: datetime | None, until: datetime | None, **narrowed: str) -> int | None:
    """About how many rows of the log these filters let through, from sums alone; None while there are none."""
    conditions = "".join(f" AND {CONDITIONS[name]}" for name in narrowed)
    values: list[Any] = list(narrowed.values())
    for sign, at in ((">=", since), ("<", until)):
        if at:
            conditions += f" AND hour {sign} %s"
            values.append(at)
    with connections[reading()].cursor() as cursor:
        sums = f"SELECT sum(rows)::bigint FROM audit_rollup WHERE account_id = %s{conditions}"
        cursor.execute(sums, [account_id, *values])
        (rows,) = cursor.fetchone()
    return rows


def _count(counted: dict[datetime, list[int]], rows: list[tuple[Any, ...]]) -> None:
    for start, allowed, denied in rows:
        bar = counted.setdefault(start.astimezone(UTC), [0, 0])
        bar[0] += int(allowed or 0)
        bar[1] += int(denied or 0)
