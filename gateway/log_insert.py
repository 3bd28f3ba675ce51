"""The statement that inserts the log rows of a batch if the epoch is unchanged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.pq.abc import PGresult

from audit.calls import insert
from audit.calls.insert import SEPARATOR
from gateway.database_history import TIMELINE, Position
from gateway.libpq.connection import Statement
from gateway.log_rows import Row
from keys.decision.access import REPLAYED, Proof

# Seconds by which the estimated time of the database may be off: after a pause, or a step of either clock, the batch is
# decided again.
MAX_CLOCK_SKEW_SECONDS = 2
# The MVCC snapshot of this statement is taken after every call of the batch arrived. So a change that was committed
# before a call arrived is always seen: either the epoch differs and nothing is inserted, or the decision was right. The
# timeline is compared for servers with the same epoch: an old primary, and the replica that was promoted instead of it.
EPOCH_GUARD = (
    f"EXISTS (SELECT FROM key_epoch WHERE n = %s AND token = %s::uuid AND {TIMELINE} = %s"
    f" AND abs(date_part('epoch', clock_timestamp()) - %s) < {MAX_CLOCK_SKEW_SECONDS})"
)
# Each row has the time of its insertion; that of the last one is the newest known time of the database.
ROW_TIME = "date_part('epoch', time)"
INSERT_BATCH = Statement("write", f"{insert.build_insert(insert.build_batch(EPOCH_GUARD))} RETURNING {ROW_TIME}")
INSERT_ONE = Statement("write_one", f"{insert.build_insert(insert.build_single_row(EPOCH_GUARD))} RETURNING {ROW_TIME}")

# The same for a batch with nonces. Of two calls with the same nonce, in any processes, the second waits for the commit
# of the first, finds the nonce used, and its row says so. Sorted, because unsorted inserts can deadlock.
NONCE_USED = "nonce <> '' AND (key_id, nonce) NOT IN (SELECT key_id, nonce FROM fresh)"
INSERT = insert.build_insert(
    "batch",
    decision=f"CASE WHEN {NONCE_USED} THEN 'denied' ELSE decision END",
    reason=f"CASE WHEN {NONCE_USED} THEN '{REPLAYED}' ELSE reason END",
)
INSERT_SIGNED = Statement(
    "write_once",
    f"WITH batch AS MATERIALIZED (SELECT * FROM {insert.build_batch(EPOCH_GUARD, 'nonce', 'until')}),"
    " fresh AS (INSERT INTO gateway_nonce (key_id, nonce, until) SELECT key_id, nonce, to_timestamp(until::bigint)"
    " FROM batch WHERE nonce <> '' ORDER BY key_id, nonce ON CONFLICT DO NOTHING RETURNING key_id, nonce)"
    f" {INSERT} RETURNING {ROW_TIME}, CASE WHEN reason = '{REPLAYED}' THEN request_id END",
)
# Kept a little longer than any process could accept the call's time.
DELETE_EXPIRED_NONCES = f"""
DELETE FROM gateway_nonce WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM gateway_nonce WHERE until < clock_timestamp() - interval '{5 * MAX_CLOCK_SKEW_SECONDS} seconds'
    ORDER BY until LIMIT 1000))
"""
_SEPARATOR = SEPARATOR.encode()


def build_insert(
    rows: Sequence[Row], nonces: Sequence[Proof | None] | None, *, epoch: Position, now: float
) -> tuple[Statement, list[bytes]]:
    """Return the statement that inserts all rows or none, and its parameters. `nonces` holds, for each row, the proof
    whose nonce the call uses up; None if no row has one."""
    guard = [str(epoch.n), epoch.token, epoch.timeline, repr(now)]
    if nonces is None and len(rows) == 1:
        # Encoded in one piece, because encoding each value takes longer than all the rest.
        return INSERT_ONE, SEPARATOR.join([*rows[0], *guard]).encode().split(_SEPARATOR)
    first, *more_columns = zip(*rows, strict=True)
    if nonces is not None:
        more_columns.append(tuple("" if proof is None else proof.nonce for proof in nonces))
        more_columns.append(tuple("" if proof is None else str(proof.until) for proof in nonces))
    columns = [SEPARATOR.join(first), *map(_join_column, more_columns)]
    return INSERT_BATCH if nonces is None else INSERT_SIGNED, [column.encode() for column in [*columns, *guard]]


def _join_column(column: Sequence[str]) -> str:
    one = column[0]
    return one if column.count(one) == len(column) else SEPARATOR.join(column)


class InsertResult(NamedTuple):
    """The time of the database, and the request IDs of calls whose nonce had been used before."""

    now: float
    replayed: frozenset[str]


def parse_insert_result(result: PGresult, rows: int, *, nonces: bool) -> InsertResult | None:
    """Return the result of inserting `rows` rows; None if none was inserted, because the epoch has moved or the clock
    differs. Raise RuntimeError for any other number."""
    if result.ntuples == 0:
        return None
    if result.ntuples != rows:
        raise RuntimeError(f"{result.ntuples} rows written for {rows} calls")
    replayed = (result.get_value(row, 1) for row in range(rows)) if nonces else ()
    time_of_last = result.get_value(rows - 1, 0)
    assert time_of_last is not None
    return InsertResult(
        float(time_of_last), frozenset(request_id.decode() for request_id in replayed if request_id is not None)
    )


class NonceSweeper:
    """Deletes expired nonces, at most 1,000 at a time, while signed calls come."""

    INTERVAL_SECONDS = 10.0

    def __init__(self) -> None:
        self._next = 0.0
        self.is_due = False

    def schedule(self) -> None:
        self.is_due = time.monotonic() >= self._next

    async def delete_expired(self, connection: AsyncConnection[Any]) -> None:
        self.is_due = False
        deleted = (await connection.execute(DELETE_EXPIRED_NONCES)).rowcount
        # A full sweep leaves some: continue after the next batch.
        self._next = time.monotonic() + (self.INTERVAL_SECONDS if deleted < 1000 else 0.0)
