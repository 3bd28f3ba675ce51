"""Verify the API log against the chain: each row is in a valid seal or in the hours since the last one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from psycopg import Cursor

from audit.calls import retention, row_text, seals
from audit.calls.retention import DroppedMonths
from audit.calls.seals import LATE, LOG, Seal
from audit.trail.chain import format_instant
from audit.trail.events import Target
from audit.trail.verdict import MAX_PROBLEMS, Problem

# Times come from the database's clock. A row further in the future than a clock may be set back was forged.
CLOCK_SKEW = timedelta(minutes=5)
DAY = timedelta(days=1)
SUMS = """
    WITH counted AS (
        SELECT date_trunc('hour', time, 'UTC') AS hour, account_id, api, key_id, reason, count(*) AS rows,
            sum(folded)::bigint AS calls
        FROM audit_call WHERE time >= %(since)s AND time < %(until)s GROUP BY 1, 2, 3, 4, 5
    ), kept AS (
        SELECT hour, account_id, api, key_id, reason, rows, calls FROM audit_rollup
        WHERE hour >= %(since)s AND hour < %(until)s
    )
    SELECT DISTINCT hour FROM (
        (TABLE counted EXCEPT ALL TABLE kept) UNION ALL (TABLE kept EXCEPT ALL TABLE counted)
    ) AS different ORDER BY hour LIMIT %(limit)s
"""
# The sums over all keys may end earlier: charts read those by key from there on.
TOTALS = """
    WITH counted AS (
        SELECT hour, account_id, api, reason, sum(rows)::bigint AS rows, sum(calls)::bigint AS calls FROM audit_rollup
        WHERE hour >= %(since)s AND hour < %(until)s AND hour <= (SELECT max(hour) FROM audit_rollup_total)
        GROUP BY 1, 2, 3, 4
    ), kept AS (
        SELECT hour, account_id, api, reason, rows, calls FROM audit_rollup_total
        WHERE hour >= %(since)s AND hour < %(until)s
    )
    SELECT DISTINCT hour FROM (
        (TABLE counted EXCEPT ALL TABLE kept) UNION ALL (TABLE kept EXCEPT ALL TABLE counted)
    ) AS different ORDER BY hour LIMIT %(limit)s
"""
OUTSIDE = """
    SELECT min(hour), count(*) FROM (
        SELECT hour FROM audit_rollup UNION ALL SELECT hour FROM audit_rollup_total
    ) AS every WHERE (hour >= %s AND hour < %s) IS NOT TRUE
"""


class LogCheck:
    """Verification of the log over one snapshot. `seals` counts the seals that were verified, `unproven` those that can
    no longer be, because a month they reach into was dropped by a version that recorded no rest."""

    def __init__(self, cursor: Cursor, accepted: Collection[str] = ()) -> None:
        self._cursor, self._accepted = cursor, accepted
        self.seals = self.unproven = 0
        self.problems: list[Problem] = []

    def run(self) -> None:
        """Verify all rows and rollups; collect up to MAX_PROBLEMS in `problems`. The chain must have been verified
        before."""
        dropped = retention.read_dropped(self._cursor)
        seals_by_target = {target: list(seals.list_seals(self._cursor, target)) for target in (LOG, LATE)}
        for target in (LOG, LATE):
            for problem in self._check_seals(target, seals_by_target[target], dropped):
                self._add(problem)
        sealed = [seal for _, seal in seals_by_target[LOG]]
        since = max([sealed[0].since, *([dropped.until] if dropped else [])]) if sealed else None
        for problem in (
            *self._check_foreign_rows(since, dropped),
            *self._check_rollups(since, sealed[-1].until if sealed else None),
        ):
            self._add(problem)

    def _add(self, problem: Problem) -> None:
        if problem.key not in self._accepted and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def _check_seals(
        self, target: Target, numbered: list[tuple[int, Seal]], dropped: DroppedMonths | None
    ) -> Iterator[Problem]:
        until = None
        for seq, sealed in numbered:
            if until is not None and sealed.since != until:
                yield Problem(
                    f"event {seq} seals the API log from {format_instant(sealed.since)}, the one before to "
                    f"{format_instant(until)}",
                    lasting=True,
                )
            until = sealed.until
            if dropped and until <= dropped.until:
                continue
            rest = dropped.get_remaining(seq, sealed) if dropped else sealed
            if rest is None:
                self.unproven += 1
                continue
            self.seals += 1
            now = seals.compute_seal(self._cursor, rest.since, rest.until, rest.form)
            if now != rest:
                span = f"from {format_instant(rest.since)} to {format_instant(rest.until)}"
                expected = f"{rest.rows} calls" if now.rows != rest.rows else "them as they were written"
                yield Problem(
                    f"the API log {span} is not what event {seq} sealed: it has {now.rows} calls, not {expected}",
                    lasting=True,
                    evidence=now.sha256,
                )

    def _check_foreign_rows(self, since: datetime | None, dropped: DroppedMonths | None) -> Iterator[Problem]:
        """Yield problems of rows that are neither in a seal nor in the hours since the last one."""
        self._cursor.execute("SELECT clock_timestamp()")
        row = self._cursor.fetchone()
        assert row is not None
        latest = row[0].astimezone(UTC) + CLOCK_SKEW
        spans: list[tuple[datetime | None, datetime | None, str]]
        spans = [(latest, None, f"after {format_instant(latest - CLOCK_SKEW)[:16]}, in the future")]
        if dropped:
            spans.append((None, dropped.until, f"before {format_instant(dropped.until)}, in months that were dropped"))
        if since and not (dropped and since == dropped.until):
            begins = dropped.until if dropped else None
            spans.append((begins, since, f"before {format_instant(since)}, where the first seal begins"))
        for first, last, where in spans:
            found = row_text.hash_rows(self._cursor, row_text.WHOLE, first, last)
            if found.rows:
                yield Problem(
                    f"{found.rows} calls of the API log lie {where}; the first is {found.first}",
                    lasting=True,
                    evidence=found.sha256,
                )

    def _check_rollups(self, since: datetime | None, until: datetime | None) -> Iterator[Problem]:
        """Yield problems of hours whose rollups differ from the sealed rows."""
        self._cursor.execute(OUTSIDE, (since, until))
        row = self._cursor.fetchone()
        if row and row[1]:
            yield Problem(
                f"{row[1]} chart totals are of hours that are not sealed, the first at {format_instant(row[0])}"
            )
        while since and until and since < until:
            end = min(since + DAY, until)
            values = {"since": since, "until": end, "limit": MAX_PROBLEMS}
            hours = {hour for sql in (SUMS, TOTALS) for (hour,) in self._cursor.execute(sql, values)}
            for hour in sorted(hours):
                yield Problem(f"the chart totals of the hour from {format_instant(hour)} are not those of its calls")
            since = end
