"""One round trip for many calls: decide from memory, write every row only if memory is still true, then answer.

While one batch is at the database the next one fills. An answer leaves only after its row is committed; whatever goes
wrong on the way there is a refusal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from audit import calls
from gateway.connection import Connect, Watchdog, abandon
from gateway.lastuse import LastUse
from gateway.metrics import Metrics
from gateway.snapshot import Snapshot
from keys.access import INVALID_CREDENTIALS, Api, Call, Decision, Key, Secret, authenticate, authorise
from keys.secrets import redact

log = structlog.get_logger("keyward.gateway")

# The snapshot of this statement is taken after every call of the batch arrived, so a change that was committed before a
# call arrived is always seen: either the epoch is another one and nothing is written, or memory was right.
GUARD = "EXISTS (SELECT FROM key_epoch WHERE n = %s AND token = %s::uuid)"
WRITE = (
    f"WITH written AS ({calls.insert_statement(GUARD)} RETURNING 1)"
    " SELECT count(*), extract(epoch FROM clock_timestamp())::float8 FROM written"
)

MAX_BATCH = 256
MAX_QUEUE = 4096
# Under continuous changes every try may find a newer epoch; each is a moment's work, so many are allowed.
MAX_TRIES = 100
UNKNOWN_API = "unknown_api"

Decided = tuple[Decision, Api | None]


@dataclass(slots=True)
class Pending:
    """A call that waits for its answer. `refusal` is set when the request was refused before any key was looked for."""

    api_slug: str
    call: Call
    refusal: str
    answer: asyncio.Future[Decided]
    taken: float = field(default_factory=time.monotonic)
    api: Api | None = None
    secret: Secret | None = None


@dataclass(slots=True)
class Batch:
    """Collects calls and decides them together, over one connection of its own."""

    connect: Connect
    peppers: Mapping[int, bytes]
    metrics: Metrics = field(default_factory=Metrics)
    snapshot: Snapshot = field(default_factory=Snapshot)
    patience: float = 3.0

    _queue: list[Pending] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: AsyncConnection[Any] | None = None
    _last_use: LastUse = field(default_factory=LastUse)
    _timer: asyncio.TimerHandle | None = None
    _clock_offset: float = 0.0
    _stopping: bool = False

    def submit(self, api_slug: str, call: Call, refusal: str = "") -> asyncio.Future[Decided]:
        """Take a call; the future gives its decision, and the API it was made under, once its row is committed."""
        pending = Pending(api_slug, call, refusal, asyncio.get_running_loop().create_future())
        if self._stopping or len(self._queue) >= MAX_QUEUE:
            self._refuse([pending], "unavailable")
        else:
            self._queue.append(pending)
            self._arrived.set()
        return pending.answer

    async def run(self) -> None:
        """Serve until stopped; answers all that was taken before."""
        while self._queue or not self._stopping:
            await self._arrived.wait()
            self._refuse_late()
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            if not self._queue:
                self._arrived.clear()
            if batch:
                self.metrics.batched(len(batch), queue=len(self._queue), entries=self.snapshot.entries)
                await self._serve(batch)
            await self._write_last_use()
        await self._write_last_use(at_once=True)
        if self._connection is not None:
            await self._connection.close()

    def stop(self) -> None:
        self._stopping = True
        self._arrived.set()

    async def _serve(self, batch: list[Pending]) -> None:
        try:
            connection = await self._connected()
            with Watchdog(self.patience, connection):
                await self._answer(connection, batch)
        except psycopg.DataError as error:
            # Some call holds what the database cannot store: each goes alone, and only the guilty one is refused.
            log.warning("batch.data_error", error=type(error).__name__, calls=len(batch))
            if len(batch) == 1:
                self._refuse(batch, "unavailable")
            for pending in batch if len(batch) > 1 else ():
                await self._serve([pending])
        except Exception as error:
            log.error("batch.refused", error=type(error).__name__, detail=str(error)[:200], calls=len(batch))
            self._disconnect()
            self._refuse(batch, "unavailable")

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await asyncio.wait_for(self.connect(), self.patience)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            abandon(self._connection)
            self._connection = None

    async def _answer(self, connection: AsyncConnection[Any], batch: list[Pending]) -> None:
        public_ids = {pending.call.presented.public_id for pending in batch if pending.call.presented}
        needed = self.snapshot.missing(public_ids)
        if needed or any(pending.api_slug not in self.snapshot.apis for pending in batch):
            await self._load(connection, needed)
        for _ in range(MAX_TRIES):
            # Entries may have been dropped by what the load learned.
            while missing := self.snapshot.missing(public_ids):
                await self._load(connection, missing)
            decisions = self._decide(batch)
            if not decisions or await self._write(connection, decisions):
                for pending, decision in decisions:
                    if not pending.answer.done():
                        pending.answer.set_result((decision, pending.api))
                return
            self.metrics.missed()
            await self._load(connection, public_ids)
        raise TimeoutError(f"the epoch moved at each of {MAX_TRIES} tries")

    async def _load(self, connection: AsyncConnection[Any], public_ids: Any) -> None:
        self.metrics.reloaded()
        self._clock_offset = await self.snapshot.load(connection, public_ids) - time.monotonic()

    def _decide(self, batch: list[Pending]) -> list[tuple[Pending, Decision]]:
        """A decision for every call of a known API; calls of an unknown one are answered here, without a row."""
        now = time.monotonic() + self._clock_offset
        snapshot, peppers = self.snapshot, self.peppers
        decisions = []
        for pending in batch:
            call = pending.call
            api = pending.api = snapshot.apis.get(pending.api_slug)
            if api is None:
                self._refuse([pending], UNKNOWN_API)
                continue
            if pending.refusal:
                decisions.append((pending, Decision(call, None, now, pending.refusal)))
                continue
            key = snapshot.key(call.presented.public_id) if call.presented else None
            reason, pending.secret = authenticate(call, key, api, now=now, peppers=peppers)
            if reason or key is None:
                decision = Decision(call, key, now, reason or INVALID_CREDENTIALS)
            else:
                decision = authorise(call, key, now=now)
            decisions.append((pending, decision))
        return decisions

    async def _write(self, connection: AsyncConnection[Any], decisions: list[tuple[Pending, Decision]]) -> bool:
        """Write all rows, or none because the epoch has moved."""
        columns = zip(*(calls_row(pending, decision) for pending, decision in decisions), strict=True)
        parameters = ["\x1e".join(column) for column in columns]
        cursor = await connection.execute(WRITE, (*parameters, *self.snapshot.epoch))
        row = await cursor.fetchone()
        if row is None or row[0] == 0:
            return False
        if row[0] != len(decisions):
            raise RuntimeError(f"{row[0]} rows written for {len(decisions)} calls")
        self._clock_offset = row[1] - time.monotonic()
        self._last_use.note(
            (pending.secret.id, str(decision.call.client_address))
            for pending, decision in decisions
            if pending.secret is not None and decision.allowed
        )
        return True

    async def _write_last_use(self, *, at_once: bool = False) -> None:
        """Losing some of these costs nothing but a date in a list, so no call waits for them or fails with them."""
        if not self._last_use.due:
            return
        if self._last_use.wait and not at_once:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._last_use.wait, self._wake)
            return
        try:
            connection = await self._connected()
            with Watchdog(self.patience, connection):
                await self._last_use.write(connection)
        except Exception as error:
            log.warning("last_use.not_written", error=type(error).__name__)
            self._disconnect()

    def _wake(self) -> None:
        self._timer = None
        self._arrived.set()

    def _refuse_late(self) -> None:
        """Whoever has waited this long for a stuck database is refused: nobody waits for more than two batches."""
        oldest = time.monotonic() - self.patience
        late = next((n for n, pending in enumerate(self._queue) if pending.taken > oldest), len(self._queue))
        if late:
            self._refuse(self._queue[:late], "unavailable")
            self._queue = self._queue[late:]

    def _refuse(self, batch: list[Pending], reason: str) -> None:
        for pending in batch:
            if not pending.answer.done():
                pending.answer.set_result((Decision(pending.call, None, 0.0, reason), pending.api))


_NOBODY = (calls.NULL, "", "", "", "", "f")


def _who(key: Key) -> tuple[str, str, str, str, str, str]:
    return str(key.account_id), key.account, key.public_id, key.name, key.owner, "t" if key.mask else "f"


def calls_row(pending: Pending, decision: Decision) -> tuple[str, ...]:
    """The row's values as text, in the order of audit.calls.BATCH_COLUMNS."""
    call, key, route = decision.call, decision.key, decision.route
    account_id, account, public_id, key_name, owner, mask = _NOBODY if key is None else _who(key)
    return (
        call.request_id,
        account_id,
        account,
        pending.api_slug,
        public_id,
        key_name,
        owner,
        call.presented.kind if call.presented else "",
        call.method,
        call.host,
        # Judged as it was sent, logged without secrets.
        redact(call.path),
        call.query,
        "" if route is None else route.module,
        calls.NULL if call.client_address is None else str(call.client_address),
        "denied" if decision.reason else "allowed",
        decision.reason,
        decision.rule,
        mask,
        "t" if decision.hlr else "f",
        call.proxy,
        call.user_agent,
        "1",
    )
