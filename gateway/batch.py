"""One round trip for many calls: decide from memory, write every row only if memory is still true, then answer.

While one batch is at the database the next one fills. An answer leaves only after its row is committed; whatever goes
wrong on the way there is a refusal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg.pq.abc import PGresult

from gateway.database import Connect
from gateway.decide import decide
from gateway.end_overlap import Overlaps
from gateway.held import HeldRefusals
from gateway.last_use import LastUse
from gateway.libpq.connection import Wire
from gateway.limits import BATCH_TIMEOUT_SECONDS, MAX_BATCH, MAX_QUEUE, MAX_TRIES
from gateway.log_insert import Sweeper, statement, written
from gateway.log_lines import ERROR, INFO, WARNING, report
from gateway.log_rows import Row, values
from gateway.metrics import Metrics
from gateway.snapshot import Snapshot
from gateway.unauthenticated import Refusals
from gateway.waiting_call import Pending, Tell
from keys.decision.access import REPLAYED, Call, Decision, Proof, Secret

# Turns of the event loop that a busy process which shares its machine lets pass before it takes a batch: what has just
# been answered asks again meanwhile, and fuller batches are fewer. Alone it would only let the database wait.
TURNS = 2


@dataclass(slots=True)
class Batch:
    """Collects calls and decides them together, over one connection of its own."""

    connect: Connect
    peppers: Mapping[int, bytes]
    metrics: Metrics = field(default_factory=Metrics)
    snapshot: Snapshot = field(default_factory=Snapshot)
    overlaps: Overlaps = field(default_factory=Overlaps)
    patience: float = BATCH_TIMEOUT_SECONDS
    alone: bool = True

    _queue: list[Pending] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _wire: Wire | None = None
    _last_use: LastUse = field(default_factory=LastUse)
    _refusals: Refusals = field(default_factory=Refusals)
    _held: HeldRefusals = field(init=False)
    # Whether the last batch was refused because of the database.
    _refusing: bool = False
    _sweeper: Sweeper = field(default_factory=Sweeper)
    _apart: set[asyncio.Task[None]] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _clock_offset: float = 0.0
    _busy: bool = False
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._held = HeldRefusals(self._resume)

    def submit(self, api_slug: str, call: Call, refusal: str, tell: Tell) -> None:
        """Take a call; `tell` is told once its row is committed."""
        pending = Pending(api_slug, call, refusal, tell)
        if self._stopping or len(self._queue) >= MAX_QUEUE:
            pending.refuse("unavailable")
        else:
            self._queue.append(pending)
            self._arrived.set()

    async def run(self) -> None:
        """Serve until stopped; answers all that was taken before."""
        while self._queue or self._apart or self._held or not self._stopping:
            await self._arrived.wait()
            if self._busy and not self.alone:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            self._refuse_late()
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            if not self._queue:
                self._arrived.clear()
            # A lone call waits for nobody.
            self._busy = len(batch) > 1
            if batch:
                self.metrics.batched(len(batch), queue=len(self._queue), entries=self.snapshot.entries)
                await self._serve(batch)
            if self._last_use.due:
                await self._write_last_use()
            if self._sweeper.due:
                await self._sweep()
        while self._last_use.due:
            await self._write_last_use(at_once=True)
        if self._wire is not None:
            await self._wire.close()

    def stop(self) -> None:
        self._stopping = True
        self._held.stop()

    async def _serve(self, batch: list[Pending]) -> None:
        try:
            wire = await self._connected()
            with wire.watchdog:
                decisions = await self._decided(wire, batch)
            if self._refusing:
                self._refusing = False
                report(INFO, "batch.written_again")
            if decisions and not decisions[0][0].answered:
                # Once the next batch is on its way: neither need wait for the other.
                asyncio.get_running_loop().call_soon(_tell, decisions)
            self._last_use.note(
                (pending.secret.id, str(decision.call.client_address))
                for pending, decision in decisions
                if pending.secret is not None and decision.allowed
            )
        except psycopg.DataError as error:
            # Some call holds what the database cannot store: each goes alone, and only the guilty one is refused.
            # Without its words, which may repeat the call's.
            report(WARNING, "batch.data_error", kind=type(error).__name__, calls=len(batch))
            for pending in batch:
                if len(batch) == 1:
                    pending.refuse("unavailable")
                else:
                    await self._serve([pending])
        except Exception as error:
            report(ERROR, "batch.refused", error, calls=len(batch))
            self._refusing = True
            self._disconnect()
            for pending in batch:
                pending.refuse("unavailable")

    async def _connected(self) -> Wire:
        if self._wire is not None and self._wire.ended:
            self._disconnect()
        if self._wire is None:
            self._wire = Wire(await asyncio.wait_for(self.connect(), self.patience), patience=self.patience)
        return self._wire

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.abandon()
            self._wire = None

    async def _decided(self, wire: Wire, batch: list[Pending]) -> list[tuple[Pending, Decision]]:
        """The decisions, all of them committed, on the calls that are still in the batch."""
        public_ids = set()
        for pending in batch:
            for presented in (pending.call.presented, pending.call.link):
                if presented is not None:
                    public_ids.add(presented.public_id)
        if any(pending.api_slug not in self.snapshot.apis for pending in batch):
            await self._load(wire, self.snapshot.missing(public_ids))
        for _ in range(MAX_TRIES):
            # Entries may have been dropped by what the load learned.
            while missing := self.snapshot.missing(public_ids):
                await self._load(wire, missing)
            now = time.monotonic() + self._clock_offset
            decisions = decide(batch, self.snapshot, self.peppers, now=now, end_overlap=self._end_overlap)
            decisions, held = self._refusals.split(decisions)
            if held:
                self._held.hold(held)
            # The others have been answered, or wait for something else.
            batch[:] = [pending for pending, _ in decisions]
            if not decisions or await self._write(wire, decisions):
                return decisions
            self.metrics.missed()
            await self._load(wire, public_ids)
        raise TimeoutError(f"the epoch moved at each of {MAX_TRIES} tries")

    async def _load(self, wire: Wire, public_ids: Collection[str]) -> None:
        self.metrics.reloaded()
        with wire.lent() as connection:
            self._clock_offset = await self.snapshot.load(connection, public_ids) - time.monotonic()

    async def _write(self, wire: Wire, decisions: list[tuple[Pending, Decision]]) -> bool:
        """Write all rows, or none because what was decided from is not true any more. What only the database knew, a
        nonce used before, is then in the decisions too. If nobody else waits they are told at once."""
        rows: Sequence[Row] = [values(pending.api_slug, pending.presented, decision) for pending, decision in decisions]
        nonces: Sequence[Proof | None] = [pending.nonce for pending, _ in decisions]
        signed = any(nonces)
        rows, nonces, refusals = self._refusals.fold(rows, nonces, decisions)

        def then(result: PGresult) -> bool:
            done = written(result, len(rows), nonces=signed)
            if done is None:
                return False
            self._clock_offset = done.now - time.monotonic()
            self._refusals.count(refusals)
            if signed:
                self._sweeper.nonces_written()
            if done.replayed:
                for place, (pending, decision) in enumerate(decisions):
                    if decision.call.request_id in done.replayed:
                        decisions[place] = pending, decision._replace(reason=REPLAYED)
            if not self._queue:
                _tell(decisions)
            return True

        now = decisions[0][1].now
        asked = statement(rows, nonces if signed else None, epoch=self.snapshot.epoch, now=now)
        return await wire.execute(*asked, then)

    def _resume(self, calls: Sequence[Pending]) -> None:
        """Take held calls back, or none, once the last has gone."""
        self._queue += calls
        self._arrived.set()

    def _end_overlap(self, pending: Pending, old: Secret) -> None:
        """The call leaves its batch, and comes back once the old secret is retired."""
        task = asyncio.create_task(self._come_back(pending, old))
        self._apart.add(task)
        task.add_done_callback(self._back)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._apart.discard(task)
        self._arrived.set()

    async def _come_back(self, pending: Pending, old: Secret) -> None:
        call = pending.call
        try:
            await self.overlaps.end(old.id, str(call.client_address), call.request_id, patience=self.patience)
        except Exception as error:
            report(ERROR, "overlap.not_ended", error)
            pending.refuse("unavailable")
        else:
            pending.ended = old.id
            if not pending.answered:
                self._queue.append(pending)

    async def _write_last_use(self, *, at_once: bool = False) -> None:
        """Losing some of these costs nothing but a date in a list, so no call waits for them or fails with them."""
        if self._last_use.wait and not at_once:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._last_use.wait, self._wake)
            return
        try:
            wire = await self._connected()
            with wire.watchdog, wire.lent() as connection:
                await self._last_use.write(connection)
            if self._last_use.due:
                self._arrived.set()
        except Exception as error:
            report(WARNING, "last_use.not_written", error)
            self._disconnect()

    async def _sweep(self) -> None:
        try:
            wire = await self._connected()
            with wire.watchdog, wire.lent() as connection:
                await self._sweeper.sweep(connection)
        except Exception as error:
            report(WARNING, "nonces.not_swept", error)
            self._disconnect()

    def _wake(self) -> None:
        self._timer = None
        self._arrived.set()

    def _refuse_late(self) -> None:
        """Whoever has waited this long for a stuck database is refused: nobody waits for more than two batches."""
        oldest = time.monotonic() - self.patience
        if not self._queue or self._queue[0].taken > oldest:
            return
        late = next((n for n, pending in enumerate(self._queue) if pending.taken > oldest), len(self._queue))
        for pending in self._queue[:late]:
            pending.refuse("unavailable")
        del self._queue[:late]


def _tell(decisions: Sequence[tuple[Pending, Decision]]) -> None:
    for pending, decision in decisions:
        pending.answer(decision)
