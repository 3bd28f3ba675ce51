"""Calls and refusals of an account in the last 24 hours and 30 days, and in the same time before, from rollups.

Sums of sealed hours never change, so a process computes them once for each hour. The hours after the last rollup are
counted from rows, as many of the newest as get_tail_limit says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.db import connections

from audit.calls.rollups import HOUR, SUMMED, floor_time, get_tail_limit
from core.replica import get_log_database

LENGTHS = (timedelta(hours=24), timedelta(days=30))
MAX_CACHED_ACCOUNTS = 256
_SUMS = """
    coalesce(sum({calls}) FILTER (WHERE {at} >= %(day)s), 0)::bigint,
    coalesce(sum({calls}) FILTER (WHERE {at} < %(day)s AND {at} >= %(before_day)s), 0)::bigint,
    coalesce(sum({calls}) FILTER (WHERE {at} >= %(month)s), 0)::bigint,
    coalesce(sum({calls}) FILTER (WHERE {at} < %(month)s), 0)::bigint
"""
_OF_ACCOUNT = "account_id = %(account)s AND hour >= %(before_month)s"
# From the sums over all keys, and from those by key for the hours that they lack.
_SEALED = f"""
    SELECT reason, '', {_SUMS.format(calls="calls", at="hour")} FROM (
        SELECT hour, reason, calls FROM audit_rollup_total WHERE {_OF_ACCOUNT} AND hour < least(%(total)s, %(summed)s)
        UNION ALL
        SELECT hour, reason, calls FROM audit_rollup
        WHERE {_OF_ACCOUNT} AND hour < %(summed)s AND (%(total)s::timestamptz IS NULL OR hour >= %(total)s)
    ) AS sealed GROUP BY 1
    UNION ALL
    SELECT NULL, key_id, coalesce(sum(calls) FILTER (WHERE hour >= %(day)s), 0)::bigint, 0, sum(calls)::bigint, 0
    FROM audit_rollup WHERE account_id = %(account)s AND hour >= %(month)s AND hour < %(summed)s AND reason <> ''
    GROUP BY 2
"""
_TAIL = f"""
    SELECT reason, key_id, {_SUMS.format(calls="folded", at="time")}, sum(count(*)) OVER (), min(min(time)) OVER ()
    FROM (
        SELECT reason, CASE WHEN reason = '' THEN '' ELSE key_id END AS key_id, folded, time FROM audit_call
        WHERE account_id = %(account)s AND time >= %(since)s ORDER BY time DESC LIMIT %(limit)s
    ) AS tail GROUP BY 1, 2
"""


class PeriodCounts(NamedTuple):
    """Calls in each of LENGTHS, and in the same time before it: of a reason, empty for allowed ones; or, with None for
    the reason, the refused ones of a key, without the time before."""

    reason: str | None
    key_id: str
    day: int
    before_day: int
    month: int
    before_month: int


@dataclass(frozen=True, slots=True)
class Period:
    """The calls since `since`, to the full hour, and those of the same time before. `reasons` and `keys` are the
    refusals, the most first."""

    since: datetime
    allowed: int
    denied: int
    allowed_before: int
    denied_before: int
    reasons: list[tuple[str, int]]
    keys: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Periods:
    """`cut` is the time of the oldest row counted after the last rollup if there were too many; else None."""

    day: Period
    month: Period
    cut: datetime | None


def get_periods(account_id: int, now: datetime) -> Periods:
    """Return the account's calls of the last 24 hours and 30 days."""
    hour = floor_time(now.astimezone(UTC), HOUR)
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(SUMMED)
        summed, total = cursor.fetchone()
        times = _get_times(hour)
        sealed = _sum_sealed(account_id, hour, summed, total) if summed else ()
        since = max(summed, times["before_month"]) if summed else times["before_month"]
        limit = get_tail_limit(summed)
        cursor.execute(_TAIL, {**times, "account": account_id, "since": since, "limit": limit})
        tail = cursor.fetchall()
    rows = list(sealed)
    for row in tail:
        counts = PeriodCounts(*row[:6])
        rows += [counts, counts._replace(reason=None)] if counts.reason else [counts]
    cut = tail[0][7] if tail and tail[0][6] >= limit else None
    day = _build_period(times["day"], [(row.reason, row.key_id, row.day, row.before_day) for row in rows])
    month = _build_period(times["month"], [(row.reason, row.key_id, row.month, row.before_month) for row in rows])
    return Periods(day, month, cut)


def _get_times(hour: datetime) -> dict[str, datetime]:
    day, month = (hour + HOUR - length for length in LENGTHS)
    return {"day": day, "before_day": day - LENGTHS[0], "month": month, "before_month": month - LENGTHS[1]}


@lru_cache(maxsize=MAX_CACHED_ACCOUNTS)
def _sum_sealed(account_id: int, hour: datetime, summed: datetime, total: datetime | None) -> tuple[PeriodCounts, ...]:
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(_SEALED, {**_get_times(hour), "account": account_id, "summed": summed, "total": total})
        return tuple(PeriodCounts(*row) for row in cursor.fetchall())


def _build_period(since: datetime, rows: Iterable[tuple[str | None, str, int, int]]) -> Period:
    allowed = denied = allowed_before = denied_before = 0
    reasons: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    for reason, key_id, calls, before in rows:
        if reason is None:
            keys[key_id] += calls
        elif reason:
            denied, denied_before = denied + calls, denied_before + before
            reasons[reason] += calls
        else:
            allowed, allowed_before = allowed + calls, allowed_before + before
    return Period(since, allowed, denied, allowed_before, denied_before, *map(_sort_counts, (reasons, keys)))


def _sort_counts(counted: Counter[str]) -> list[tuple[str, int]]:
    """Return what was counted, the most first; of equal ones by name, those without a name last."""
    return sorted(
        ((name, count) for name, count in counted.items() if count), key=lambda pair: (-pair[1], not pair[0], pair[0])
    )
