"""Hourly rollups of the API log, from which charts and estimates are made; written when an hour is sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, connections

from core.lists import MAX_ROWS_COUNTED
from core.replica import get_log_database

ADD = """
    INSERT INTO audit_rollup (hour, account_id, api, key_id, reason, rows, calls)
    SELECT date_trunc('hour', time, 'UTC'), account_id, api, key_id, reason, count(*), sum(folded)
    FROM audit_call WHERE time >= %s AND time < %s GROUP BY 1, 2, 3, 4, 5
"""
# With the hours that a version before this table has summed meanwhile.
ADD_TOTALS = """
    INSERT INTO audit_rollup_total (hour, account_id, api, reason, rows, calls)
    SELECT hour, account_id, api, reason, sum(rows), sum(calls) FROM audit_rollup
    WHERE hour > coalesce((SELECT max(hour) FROM audit_rollup_total), '-infinity') GROUP BY 1, 2, 3, 4
"""
# Rows counted outside the rollups, newest first: of the hours after them; and where there are none yet, or `maintain`
# does not run, so that most of a month is left out in any case.
MAX_TAIL_ROWS = 100_000
MAX_UNSUMMED_ROWS = MAX_ROWS_COUNTED + 1

HOUR = timedelta(hours=1)
RESOLUTION = timedelta(microseconds=1)
# [allowed, denied] calls by the start of their step.
Counted = dict[datetime, list[int]]
# By what rollups and rows alike can be narrowed.
CONDITIONS = {
    "api": "api = ANY(%s)",
    "key_id": "key_id = %s",
    "reason": "reason = %s",
    "decision": "(reason <> '') = (%s = 'denied')",
}
SUMS = """
    SELECT date_bin(make_interval(secs => %%s), hour, %%s), sum(calls) FILTER (WHERE reason = ''),
        sum(calls) FILTER (WHERE reason <> ''), sum(rows)::bigint
    FROM %s WHERE account_id = %%s AND hour >= %%s AND hour < %%s %s GROUP BY 1
"""
LAST_HOURS = """
    SELECT wanted.api, last.hour FROM unnest(%%s::text[]) AS wanted (api), LATERAL (
        SELECT hour FROM audit_rollup_total WHERE %s AND api = wanted.api ORDER BY hour DESC LIMIT 1
    ) last
"""
# Up to when each table is summed.
SUMMED = """
    SELECT (SELECT max(hour) FROM audit_rollup) + interval '1 hour',
        (SELECT max(hour) FROM audit_rollup_total) + interval '1 hour'
"""
TAIL = """
    SELECT min(time), sum(folded) FILTER (WHERE reason = ''), sum(folded) FILTER (WHERE reason <> ''), count(*)
    FROM (
        SELECT time, reason, folded FROM audit_call
        WHERE account_id = %%s AND time >= %%s AND time < %%s %s ORDER BY time DESC LIMIT %%s
    ) tail HAVING count(*) > 0
"""
# Where the rows may lie in more than one step, which takes half as long again.
TAIL_BY_STEP = TAIL.replace("HAVING count(*) > 0", "GROUP BY date_bin(make_interval(secs => %%s), time, %%s)")


class Bar(NamedTuple):
    """Allowed and denied calls of one step of a chart, which begins at `start`."""

    start: datetime
    allowed: int
    denied: int


class Bars(NamedTuple):
    """`rows` is the number of rows behind the bars. `cut` is the time of the oldest row counted after the last rollup
    if that many were counted, otherwise None; `head_cut` is the same for the hour in which the range begins, whose
    rollup would include earlier calls."""

    bars: list[Bar]
    rows: int
    cut: datetime | None = None
    head_cut: datetime | None = None


def insert_sums(since: datetime, until: datetime) -> None:
    """Write the rollups of these hours; call in the transaction that seals them."""
    with connection.cursor() as cursor:
        cursor.execute(ADD, [since, until])
        cursor.execute(ADD_TOTALS)


def get_last_hours(apis: Iterable[str], account_id: int | None) -> dict[str, datetime]:
    """Return by API the last sealed hour with calls of the account, for None with calls of no account."""
    condition, values = ("account_id IS NULL", []) if account_id is None else ("account_id = %s", [account_id])
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(LAST_HOURS % condition, [list(apis), *values])
        return dict(cursor.fetchall())


def get_bars(*, account_id: int, since: datetime, until: datetime, step: timedelta, **narrowed: Any) -> Bars:
    """Return the account's calls from `since` to before `until`, by step; `narrowed` takes api, key_id, reason and
    decision. Whole hours come from rollups if the step is an hour or more; the rest is counted from rows."""
    tail_from, head_cut, limit = since, None, MAX_TAIL_ROWS
    with connections[get_log_database()].cursor() as cursor:
        counter = _Counter(cursor, account_id, narrowed, step, get_origin(since, step))
        if step >= HOUR:
            cursor.execute(SUMMED)
            summed, total = cursor.fetchone()
            limit = get_tail_limit(summed)
            first, last = ceil_time(since, HOUR), min(summed, floor_time(until, HOUR)) if summed else since
            if first < last:
                if since < first:
                    head_cut = counter.count_rows(since, first, limit)
                # The sums over all keys, and those by key for one key and after them.
                middle = max(first, min(last, total)) if total and "key_id" not in narrowed else first
                counter.add_sums("audit_rollup_total", first, middle)
                counter.add_sums("audit_rollup", middle, last)
                tail_from = last
        cut = counter.count_rows(tail_from, until, limit)
    return Bars(build_bars(counter.counted, since, until, step), counter.rows, cut, head_cut)


@dataclass(slots=True)
class _Counter:
    """Adds up an account's calls by step, from rollups and from rows; steps begin at `origin`."""

    cursor: Any
    account_id: int
    narrowed: Mapping[str, Any]
    step: timedelta
    origin: datetime
    counted: Counted = field(default_factory=dict)
    rows: int = 0

    def add_sums(self, table: str, since: datetime, until: datetime) -> None:
        if since < until:
            values = [self.step.total_seconds(), self.origin, self.account_id, since, until, *self.narrowed.values()]
            self.cursor.execute(SUMS % (table, self._conditions), values)
            self._add(self.cursor.fetchall())

    def count_rows(self, since: datetime, until: datetime, limit: int) -> datetime | None:
        """Count the newest `limit` rows; return the time of the oldest of them if there are that many."""
        values = [self.account_id, since, until, *self.narrowed.values(), limit]
        if until <= floor_time(since, self.step, self.origin) + self.step:
            self.cursor.execute(TAIL % self._conditions, values)
        else:
            self.cursor.execute(TAIL_BY_STEP % self._conditions, [*values, self.step.total_seconds(), self.origin])
        tail = self.cursor.fetchall()
        return min(time for time, *_ in tail) if self._add(tail) == limit else None

    @property
    def _conditions(self) -> str:
        return build_conditions(self.narrowed)

    def _add(self, parts: Sequence[tuple[datetime, int | None, int | None, int]]) -> int:
        """Add parts of (time, allowed, denied, number of rows), each of one step; return the number of rows."""
        steps = ((floor_time(at, self.step, self.origin), allowed, denied) for at, allowed, denied, _ in parts)
        add_counts(self.counted, steps)
        rows = sum(part[3] for part in parts)
        self.rows += rows
        return rows


def build_conditions(narrowed: Iterable[str]) -> str:
    """Return what follows a WHERE condition to narrow rollups or rows by these."""
    return "".join(f" AND {CONDITIONS[name]}" for name in narrowed)


def get_tail_limit(summed: datetime | None) -> int:
    """Return how many rows are counted after `summed`, the end of the last rollup, None if there is none."""
    return MAX_TAIL_ROWS if summed else MAX_UNSUMMED_ROWS


def get_first_hour(*, account_id: int, **narrowed: Any) -> datetime | None:
    """Return the earliest hour that has a rollup which passes, None if there is none."""
    with connections[get_log_database()].cursor() as cursor:
        conditions = build_conditions(narrowed)
        sql = f"SELECT hour FROM audit_rollup WHERE account_id = %s{conditions} ORDER BY hour LIMIT 1"
        cursor.execute(sql, [account_id, *narrowed.values()])
        row = cursor.fetchone()
    return row[0].astimezone(UTC) if row else None


def estimate_rows(*, account_id: int, since: datetime | None, until: datetime | None, **narrowed: Any) -> int | None:
    """Return about how many rows pass, from rollups alone; None if no rollup passes."""
    conditions = build_conditions(narrowed)
    values: list[Any] = list(narrowed.values())
    for sign, at in ((">=", since), ("<", until)):
        if at:
            conditions += f" AND hour {sign} %s"
            values.append(at)
    with connections[get_log_database()].cursor() as cursor:
        sums = f"SELECT sum(rows)::bigint FROM audit_rollup WHERE account_id = %s{conditions}"
        cursor.execute(sums, [account_id, *values])
        (rows,) = cursor.fetchone()
    return rows


def build_bars(counted: Counted, since: datetime, until: datetime, step: timedelta) -> list[Bar]:
    """Return a bar for each step of the range, the first from `since` on."""
    origin = get_origin(since, step)
    starts = (origin + n * step for n in range((since - origin) // step, -((origin - until) // step)))
    return [Bar(max(at, since), *counted.get(at, (0, 0))) for at in starts]


def get_origin(since: datetime, step: timedelta) -> datetime:
    """Return the start of the first step: `since` rounded down to the step, to a minute at least and a day at most,
    UTC."""
    return floor_time(since, min(max(step, timedelta(minutes=1)), timedelta(days=1)))


def floor_time(at: datetime, step: timedelta, origin: datetime = datetime(2000, 1, 1, tzinfo=UTC)) -> datetime:
    return at - (at - origin) % step


def ceil_time(at: datetime, step: timedelta) -> datetime:
    return floor_time(at - RESOLUTION, step) + step


def add_counts(counted: Counted, rows: Iterable[tuple[datetime, int | None, int | None]]) -> None:
    """Add rows of (start, allowed, denied) to `counted`, in place."""
    for start, allowed, denied in rows:
        bar = counted.setdefault(start.astimezone(UTC), [0, 0])
        bar[0] += int(allowed or 0)
        bar[1] += int(denied or 0)
