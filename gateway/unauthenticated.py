"""Aggregates calls without a matching secret, refusals and CORS preflights, so that a flood of them neither fills the
log nor delays other calls.

Above the limits they are delayed and share rows, each with the number of calls that it stands for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from gateway.limits import MAX_REFUSED_TEXT_LENGTH, REFUSALS_PER_KEY, REFUSALS_PER_PROCESS
from gateway.log_rows import COLUMNS, Row
from gateway.snapshot import Snapshot
from gateway.waiting_call import WaitingCall, collect_public_ids
from keys.decision.access import Decision, Proof

_REQUEST_ID, _API, _KEY, _REASON, _FOLDED, _PATH, _QUERY = (
    COLUMNS.index(name) for name in ("request_id", "api", "key_id", "reason", "folded", "path", "query")
)
# The `key_id` of a row without a key.
NO_KEY = ""


def is_unauthenticated(waiting: WaitingCall, decision: Decision) -> bool:
    """Return whether a call was decided before any secret or signature matched: refused, or allowed as a preflight."""
    return waiting.secret is None


class Aggregator:
    """Counts the unauthenticated calls of the current second, and aggregates those above the limits."""

    def __init__(self) -> None:
        self._second = 0
        # Seen calls, by API ID and in total; inserted refusals, by the key ID of the row.
        self._seen: Counter[str] = Counter()
        self._seen_total = 0
        self._written: Counter[str] = Counter()
        # Seen in the second before: a flood that goes on is delayed from the first call of each second.
        self._seen_before: Counter[str] = Counter()
        self._seen_total_before = 0

    def split_unknown(
        self, batch: list[WaitingCall], snapshot: Snapshot
    ) -> tuple[list[WaitingCall], list[WaitingCall]]:
        """Return the calls to proceed with, and during a flood those whose API ID is not in memory, each at most once.

        Delayed, they share one query; otherwise nearly every batch would wait for a query of its own.
        """
        self._begin_second()
        if not self._is_flooded():
            return batch, []
        going: list[WaitingCall] = []
        delayed: list[WaitingCall] = []
        for waiting in batch:
            if waiting.is_delayed or not snapshot.list_missing(collect_public_ids([waiting])):
                going.append(waiting)
            else:
                waiting.is_delayed = True
                delayed.append(waiting)
        return going, delayed

    def split(
        self, decisions: list[tuple[WaitingCall, Decision]]
    ) -> tuple[list[tuple[WaitingCall, Decision]], list[WaitingCall]]:
        """Return the decisions to proceed with, and the calls to delay for REFUSAL_DELAY_SECONDS, each at most once.

        Known and unknown API IDs count alike, so that the delay does not show which exist.
        """
        refused = [waiting for waiting, decision in decisions if is_unauthenticated(waiting, decision)]
        if not refused:
            return decisions, []
        self._begin_second()
        delayed = [waiting for waiting in refused if self._count_and_check(waiting)]
        if not delayed:
            return decisions, []
        delayed_ids = set(map(id, delayed))
        return [each for each in decisions if id(each[0]) not in delayed_ids], delayed

    def aggregate(
        self, rows: Sequence[Row], nonces: Sequence[Proof | None], decisions: Sequence[tuple[WaitingCall, Decision]]
    ) -> tuple[Sequence[Row], Sequence[Proof | None], Counter[str]]:
        """Return the rows to insert, their nonces, and how many refusals each key ID had, for `count`.

        Above REFUSALS_PER_KEY for one key, or REFUSALS_PER_PROCESS without a key, calls share one row for each API and
        reason. It has the request ID of its first call, and of the other columns the values that all calls share.
        """
        refused = [is_unauthenticated(waiting, decision) for waiting, decision in decisions]
        if not any(refused):
            return rows, nonces, Counter()
        self._begin_second()
        single_rows: list[Row] = []
        kept_nonces: list[Proof | None] = []
        shared: dict[tuple[str, str, str], list[Row]] = {}
        counted: Counter[str] = Counter()
        for row, nonce, is_refusal in zip(rows, nonces, refused, strict=True):
            if not is_refusal:
                single_rows.append(row)
                kept_nonces.append(nonce)
                continue
            key = row[_KEY]
            counted[key] += 1
            if self._written[key] + counted[key] <= (REFUSALS_PER_PROCESS if key == NO_KEY else REFUSALS_PER_KEY):
                single_rows.append(_truncate(row))
                kept_nonces.append(None)
            else:
                shared.setdefault((row[_API], key, row[_REASON]), []).append(_truncate(row))
        aggregated = [_aggregate_rows(group) for group in shared.values()]
        return single_rows + aggregated, kept_nonces + [None] * len(aggregated), counted

    def count(self, refusals: Counter[str]) -> None:
        """Count the refusals that were inserted."""
        self._written.update(refusals)

    def _begin_second(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            is_next = second == self._second + 1
            self._seen_before, self._seen_total_before = (self._seen, self._seen_total) if is_next else (Counter(), 0)
            self._second, self._seen, self._seen_total = second, Counter(), 0
            self._written.clear()

    def _is_flooded(self) -> bool:
        return max(self._seen_total, self._seen_total_before) > REFUSALS_PER_PROCESS

    def _count_and_check(self, waiting: WaitingCall) -> bool:
        if waiting.is_counted:
            return False
        waiting.is_counted = True
        self._seen_total += 1
        over = self._is_flooded()
        if waiting.presented is not None:
            public_id = waiting.presented.public_id
            self._seen[public_id] += 1
            over = over or max(self._seen[public_id], self._seen_before[public_id]) > REFUSALS_PER_KEY
        if waiting.is_delayed or not over:
            return False
        waiting.is_delayed = True
        return True


def _truncate(row: Row) -> Row:
    if len(row[_PATH]) <= MAX_REFUSED_TEXT_LENGTH and len(row[_QUERY]) <= MAX_REFUSED_TEXT_LENGTH:
        return row
    cut = list(row)
    for column in (_PATH, _QUERY):
        cut[column] = row[column][:MAX_REFUSED_TEXT_LENGTH]
    return tuple(cut)


def _aggregate_rows(rows: list[Row]) -> Row:
    common = [column[0] if len(set(column)) == 1 else "" for column in zip(*rows, strict=True)]
    common[_REQUEST_ID], common[_FOLDED] = rows[0][_REQUEST_ID], str(len(rows))
    return tuple(common)
