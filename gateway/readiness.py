"""Readiness: whether this process could answer a call now. The database is asked at most once a second, and all
requests in between share the result. Liveness touches nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import UndefinedColumn, UndefinedTable

from audit.calls import insert
from audit.calls.insert import BATCH_COLUMNS
from audit.calls.partitions import build_coming_partitions
from audit.trail.last_verification import STATE_QUERY, parse_last_verification
from core.request_id import generate_request_id
from gateway.database_history import CONTAINS_SEEN, TIMELINE, DatabaseDiverged, DatabaseHistory
from gateway.http.messages import Response
from gateway.libpq.database import Connect, Watchdog, abandon, cut
from gateway.limits import PROBE_INTERVAL_SECONDS, PROBE_TIMEOUT_SECONDS
from gateway.responses import build_json_response

# Seconds after which a commit that waits for a synchronous replica counts as one that will not end.
COMMIT_WAIT_SECONDS = 1.0
# Months without a partition, of this one and the next, whose rows go to the DEFAULT partition; those of the given
# migrations that are not applied; whether the database is read-only; the state of the verification; the time; the
# timeline; whether what this gateway has seen is contained; whether commits of this role wait for a replica.
READINESS_QUERY = f"""
SELECT (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM {build_coming_partitions(0, 1)} WHERE NOT is_there),
    (SELECT coalesce(json_agg(wanted ORDER BY wanted), '[]') FROM unnest(%(migrations)s::text[]) AS wanted
        WHERE wanted NOT IN (SELECT app || '.' || name FROM django_migrations)),
    current_setting('transaction_read_only')::bool,
    ({STATE_QUERY}),
    extract(epoch FROM clock_timestamp())::float8,
    CASE WHEN pg_is_in_recovery() THEN '' ELSE {TIMELINE} END,
    {CONTAINS_SEEN},
    EXISTS (SELECT FROM pg_stat_activity WHERE usename = current_user AND wait_event = 'SyncRep'
        AND state_change < clock_timestamp() - make_interval(secs => {COMMIT_WAIT_SECONDS}))
"""
# A row like a call's, which is rolled back: shows whether there is room and the privilege to insert one.
PROBE_INSERT = insert.build_insert(insert.build_single_row("true"))
_PROBE_ROW = dict.fromkeys(BATCH_COLUMNS, "") | {
    "decision": "denied", "reason": "unavailable", "mask": "f", "hlr": "f", "folded": "1",
    "old_secret": "f",
}  # fmt: skip

# Why a call could not be answered.
DATABASE_AWAY, READ_ONLY, SCHEMA_BEHIND, NOT_WRITABLE, DIVERGED = (
    "database_away", "database_read_only", "schema_behind", "not_writable", "database_diverged",
)  # fmt: skip
NOT_REPLICATED = "commits wait for a synchronous replica"
# Calls are still answered, and load balancers should send no more.
STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ReadinessState:
    """The result of a probe. `cause` says why a call could not be answered, empty if it could; `detail` adds to it.

    The other fields need attention but stop no call: months without a partition; whether the replica answers (None
    without a replica); when `maintain` last ran, in Unix seconds, and whether it is late; the number of unacknowledged
    findings of tampering.
    """

    cause: str = ""
    detail: str = ""
    missing_partitions: Sequence[str] = ()
    replica_up: bool | None = None
    maintained_at: float | None = None
    maintain_late: bool = False
    findings: int = 0

    @property
    def database_up(self) -> bool:
        return self.cause != DATABASE_AWAY

    @property
    def response(self) -> Response:
        if self.cause:
            return build_json_response(503, {"status": "unavailable", "cause": self.cause, "detail": self.detail})
        at = self.maintained_at and datetime.fromtimestamp(self.maintained_at, UTC).isoformat(timespec="seconds")
        return build_json_response(
            200,
            {
                "status": "ready",
                "missing_partitions": list(self.missing_partitions),
                "replica": {None: "none", True: "up", False: "away"}[self.replica_up],
                "maintain": {"last": at and at.replace("+00:00", "Z"), "late": self.maintain_late},
            },
        )


class ReadinessProbe:
    """Runs at most one probe at a time, on connections of its own, so that calls never wait for it. A result is valid
    for PROBE_INTERVAL_SECONDS.

    `migrations` are those that this version needs, as `app.name`; `history` is what the database must contain.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        connect_replica: Connect | None = None,
        migrations: Collection[str] = (),
        history: DatabaseHistory | None = None,
    ) -> None:
        self._connect, self._connect_replica = connect, connect_replica
        self._history = history or DatabaseHistory()
        self._migrations = sorted(migrations)
        self._state = ReadinessState()
        self._valid_until = 0.0
        self._probing: asyncio.Task[ReadinessState] | None = None

    def get_state(self, callback: Callable[[ReadinessState], None]) -> None:
        """Call `callback` with the state, at once if it is still valid, else when the probe ends."""
        if self._probing is None:
            if time.monotonic() < self._valid_until:
                callback(self._state)
                return
            self._probing = asyncio.create_task(self._probe())
        self._probing.add_done_callback(lambda probe: None if probe.cancelled() else callback(probe.result()))

    async def _probe(self) -> ReadinessState:
        try:
            self._state = await self._query()
        except Exception as error:
            self._state = ReadinessState(DATABASE_AWAY, type(error).__name__)
        self._valid_until = time.monotonic() + PROBE_INTERVAL_SECONDS
        self._probing = None
        return self._state

    async def _query(self) -> ReadinessState:
        replica = asyncio.create_task(self._is_replica_up())
        try:
            return await _run_with_timeout(self._connect, lambda connection: self._query_database(connection, replica))
        finally:
            replica.cancel()

    async def _query_database(
        self, connection: AsyncConnection[Any], replica: asyncio.Task[bool | None]
    ) -> ReadinessState:
        newest = self._history.get_newest()
        parameters = {"migrations": self._migrations, **newest.parameters}
        try:
            cursor = await connection.execute(READINESS_QUERY, parameters)
            row = await cursor.fetchone()
        except (UndefinedTable, UndefinedColumn) as error:
            return ReadinessState(SCHEMA_BEHIND, type(error).__name__)
        assert row is not None
        partitions, migrations, read_only, verification, now, timeline, contains, waiting = row
        if migrations:
            return ReadinessState(SCHEMA_BEHIND, ", ".join(migrations))
        if read_only:
            return ReadinessState(READ_ONLY)
        if waiting:
            return ReadinessState(NOT_WRITABLE, NOT_REPLICATED)
        try:
            newest.require_contained(timeline, contains)
        except DatabaseDiverged as error:
            return ReadinessState(DIVERGED, str(error))
        try:
            async with connection.transaction(force_rollback=True):
                await connection.execute(
                    PROBE_INSERT, list((_PROBE_ROW | {"request_id": generate_request_id()}).values())
                )
        except Exception as error:
            return ReadinessState(NOT_WRITABLE, type(error).__name__)
        last = parse_last_verification(verification)
        late = last.at is None or last.is_late(now)
        return ReadinessState("", "", partitions, await replica, last.at, late, last.findings)

    async def _is_replica_up(self) -> bool | None:
        if self._connect_replica is None:
            return None
        try:
            await _run_with_timeout(self._connect_replica, lambda connection: connection.execute("SELECT 1"), 0.75)
        except Exception:
            return False
        return True


async def _run_with_timeout(
    connect: Connect, work: Callable[[AsyncConnection[Any]], Any], timeout_share: float = 1.0
) -> Any:
    """Return the result of `work` on a new connection. Raise an error after this share of PROBE_TIMEOUT_SECONDS."""
    seconds, began = PROBE_TIMEOUT_SECONDS * timeout_share, time.monotonic()
    connection = await asyncio.wait_for(connect(), seconds)
    try:
        # Cut, not cancelled: on a cancellation psycopg first asks the server, which may be frozen, to end the query.
        with Watchdog(seconds - (time.monotonic() - began), lambda: cut(connection)):
            result = await work(connection)
            await connection.close()
    except BaseException:
        with suppress(Exception):
            abandon(connection)
        raise
    return result
