"""Group commit: decide a batch from the in-memory snapshot, insert all log rows in one statement that succeeds only if
key_epoch is unchanged, then answer.

While the database inserts one batch, the next one fills. An answer leaves only after its row is committed; any error is
a refusal.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult

from gateway.call_timeouts import CallTimeouts
from gateway.decide import decide
from gateway.delayed_refusals import DelayedRefusals
from gateway.error_log import ERROR, INFO, WARNING, report
from gateway.last_use import LastUses
from gateway.libpq.connection import LibpqConnection
from gateway.libpq.database import Connect
from gateway.limits import BATCH_TIMEOUT_SECONDS, MAX_BATCH, MAX_GUARD_RETRIES, MAX_QUEUE, STUCK_SECONDS
from gateway.log_insert import NonceSweeper, build_insert, parse_insert_result
from gateway.log_rows import Row, build_row
from gateway.metrics import Metrics
from gateway.overlap_worker import OverlapWorker
from gateway.snapshot import Snapshot
from gateway.unauthenticated import Aggregator
from gateway.waiting_call import OnDecision, WaitingCall, answer_all, collect_public_ids
from keys.decision.access import REPLAYED, Call, Decision, Proof, Secret
from keys.decision.addresses import format_address

# Turns of the event loop that a busy process which shares its machine waits before it takes a batch: clients that have
# just been answered send their next calls meanwhile, and fuller batches are fewer. The only process of a machine does
# not wait, because the database would be idle.
BATCH_DELAY_TURNS = 2


@dataclass(slots=True)
class GroupCommit:
    """Collects calls, decides them in batches, and inserts their log rows over a connection of its own."""

    connect: Connect
    peppers: Mapping[int, bytes]
    metrics: Metrics = field(default_factory=Metrics)
    snapshot: Snapshot = field(default_factory=Snapshot)
    overlaps: OverlapWorker = field(default_factory=OverlapWorker)
    timeout_seconds: float = BATCH_TIMEOUT_SECONDS
    is_only_process: bool = True

    _queue: list[WaitingCall] = field(default_factory=list)
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    _libpq: LibpqConnection | None = None
    _last_uses: LastUses = field(default_factory=LastUses)
    _aggregator: Aggregator = field(default_factory=Aggregator)
    _delayed: DelayedRefusals = field(init=False)
    _timeouts: CallTimeouts = field(init=False)
    # Whether the last batch was refused because of the database.
    _database_failed: bool = False
    _sweeper: NonceSweeper = field(default_factory=NonceSweeper)
    _overlap_tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _clock_offset: float = 0.0
    _was_busy: bool = False
    # When the current batch was taken from the queue.
    _began_at: float = math.inf
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        self._delayed = DelayedRefusals(self._requeue)
        self._timeouts = CallTimeouts(self._drop_answered)

    def submit(self, api_slug: str, call: Call, refusal: str, on_decision: OnDecision) -> None:
        """Queue a call; `on_decision` is called once its row is committed, or with a refusal after
        CALL_TIMEOUT_SECONDS, or at once if the queue is full. `refusal` is a reason found before any key was looked up,
        or empty."""
        waiting = WaitingCall(api_slug, call, refusal, on_decision)
        if self._is_stopping or len(self._queue) >= MAX_QUEUE:
            waiting.refuse("unavailable")
        else:
            self._queue.append(waiting)
            self._timeouts.add(waiting)
            self._wake_event.set()

    @property
    def is_stuck(self) -> bool:
        """Return whether the current batch takes longer than all timeouts of what it waits for."""
        return time.monotonic() - self._began_at > STUCK_SECONDS

    async def run(self) -> None:
        """Process batches until stopped, and all calls that were queued before."""
        while self._queue or self._overlap_tasks or self._delayed or not self._is_stopping:
            await self._wake_event.wait()
            if self._was_busy and not self.is_only_process:
                for _ in range(BATCH_DELAY_TURNS):
                    await asyncio.sleep(0)
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            if not self._queue:
                self._wake_event.clear()
            # A single call is not delayed.
            self._was_busy = len(batch) > 1
            self._began_at = time.monotonic()
            if batch:
                self.metrics.observe_batch(len(batch), queue=len(self._queue), entries=self.snapshot.entry_count)
                await self._process(batch)
            # While the database is away, calls need not wait for these as well.
            if self._last_uses.is_due and not self._database_failed:
                await self._write_last_use()
            if self._sweeper.is_due and not self._database_failed:
                await self._sweep_nonces()
            self._began_at = math.inf
        while self._last_uses.is_due and not self._database_failed:
            await self._write_last_use(at_once=True)
        if self._libpq is not None:
            await self._libpq.close()

    def stop(self) -> None:
        """Refuse new calls; `run` ends when the queued ones are answered."""
        self._is_stopping = True
        self._delayed.stop()

    async def _process(self, batch: list[WaitingCall]) -> None:
        try:
            libpq = await self._get_connection()
            with libpq.watchdog:
                decisions = await self._decide(libpq, batch)
            if self._database_failed:
                self._database_failed = False
                report(INFO, "batch.written_again")
            if not all(waiting.is_answered for waiting, _ in decisions):
                # After the next batch was sent, so that it does not wait for these answers.
                asyncio.get_running_loop().call_soon(answer_all, decisions)
            self._last_uses.add(
                (waiting.secret.id, format_address(decision.call.client_address))
                for waiting, decision in decisions
                if waiting.secret is not None and decision.allowed and decision.call.client_address is not None
            )
        except psycopg.DataError as error:
            # A call holds what the database cannot store: each is processed alone, and only that one is refused. The
            # error's text is not logged, because it may repeat the call's.
            report(WARNING, "batch.data_error", kind=type(error).__name__, calls=len(batch))
            for waiting in batch:
                if len(batch) == 1:
                    waiting.refuse("unavailable")
                elif not waiting.is_answered:
                    await self._process([waiting])
        except Exception as error:
            report(ERROR, "batch.refused", error, calls=len(batch))
            self._database_failed = True
            self._disconnect()
            for waiting in batch:
                waiting.refuse("unavailable")

    async def _get_connection(self) -> LibpqConnection:
        if self._libpq is not None and self._libpq.closed:
            self._disconnect()
        if self._libpq is None:
            self._libpq = LibpqConnection(
                await asyncio.wait_for(self.connect(), self.timeout_seconds), timeout_seconds=self.timeout_seconds
            )
        return self._libpq

    def _disconnect(self) -> None:
        if self._libpq is not None:
            self._libpq.abandon()
            self._libpq = None

    async def _decide(self, libpq: LibpqConnection, batch: list[WaitingCall]) -> list[tuple[WaitingCall, Decision]]:
        """Decide the batch and insert its rows; return the decisions. Calls that were answered, delayed or end an
        overlap are removed from the batch. Raise TimeoutError after MAX_GUARD_RETRIES."""
        batch[:], unknown = self._aggregator.split_unknown(batch, self.snapshot)
        if unknown:
            self._delayed.add(unknown)
        public_ids = collect_public_ids(batch)
        if any(waiting.api_slug not in self.snapshot.apis for waiting in batch):
            await self._load(libpq, self.snapshot.list_missing(public_ids))
        for _ in range(MAX_GUARD_RETRIES):
            if self.snapshot.is_behind:
                await self._load(libpq, public_ids)
            # The load may have invalidated entries.
            while list_missing := self.snapshot.list_missing(public_ids):
                await self._load(libpq, list_missing)
            now = time.monotonic() + self._clock_offset
            decisions = decide(batch, self.snapshot, self.peppers, now=now, end_overlap=self._end_overlap)
            decisions, delayed = self._aggregator.split(decisions)
            if delayed:
                self._delayed.add(delayed)
            # The other calls were answered, delayed, or end an overlap.
            batch[:] = [waiting for waiting, _ in decisions]
            if not decisions or await self._insert_rows(libpq, decisions):
                return decisions
            self.metrics.count_guard_miss()
            await self._load(libpq, public_ids)
        raise TimeoutError(f"the epoch moved at each of {MAX_GUARD_RETRIES} tries")

    async def _load(self, libpq: LibpqConnection, public_ids: Collection[str]) -> None:
        self.metrics.count_reload()
        with libpq.lend() as connection:
            self._clock_offset = await self.snapshot.load(connection, public_ids) - time.monotonic()

    async def _insert_rows(self, libpq: LibpqConnection, decisions: list[tuple[WaitingCall, Decision]]) -> bool:
        """Insert all rows and return True, or none and return False because the epoch has moved.

        A nonce that the database knows as used changes the decision of its call in `decisions`. If no call is queued,
        the decisions are answered at once.
        """
        rows: Sequence[Row] = [
            build_row(waiting.api_slug, waiting.presented, decision, waiting.secret) for waiting, decision in decisions
        ]
        nonces: Sequence[Proof | None] = [waiting.nonce for waiting, _ in decisions]
        signed = any(nonces)
        rows, nonces, refusals = self._aggregator.aggregate(rows, nonces, decisions)

        def on_result(result: PGresult) -> bool:
            inserted = parse_insert_result(result, len(rows), nonces=signed)
            if inserted is None:
                return False
            self._clock_offset = inserted.now - time.monotonic()
            self._aggregator.count(refusals)
            if signed:
                self._sweeper.schedule()
            if inserted.replayed:
                for place, (waiting, decision) in enumerate(decisions):
                    if decision.call.request_id in inserted.replayed:
                        decisions[place] = waiting, decision._replace(reason=REPLAYED)
            if not self._queue:
                answer_all(decisions)
            return True

        now = decisions[0][1].now
        insert = build_insert(rows, nonces if signed else None, epoch=self.snapshot.epoch, now=now)
        return await libpq.execute(*insert, on_result)

    def _requeue(self, calls: Sequence[WaitingCall]) -> None:
        """Put delayed calls back into the queue, and wake `run`."""
        self._queue += calls
        self._wake_event.set()

    def _end_overlap(self, waiting: WaitingCall, old: Secret) -> None:
        """Retire the old secret in the background, then queue the call again."""
        task = asyncio.create_task(self._end_overlap_and_requeue(waiting, old))
        self._overlap_tasks.add(task)
        task.add_done_callback(self._on_overlap_ended)

    def _on_overlap_ended(self, task: asyncio.Task[None]) -> None:
        self._overlap_tasks.discard(task)
        self._wake_event.set()

    async def _end_overlap_and_requeue(self, waiting: WaitingCall, old: Secret) -> None:
        await self.overlaps.end_for(waiting, old, timeout_seconds=self.timeout_seconds)
        if not waiting.is_answered:
            self._queue.append(waiting)

    async def _write_last_use(self, *, at_once: bool = False) -> None:
        """Write the last uses that are due. A failure loses a date in a list, so no call waits for it or fails with
        it."""
        if self._last_uses.seconds_until_due and not at_once:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._last_uses.seconds_until_due, self._wake)
            return
        written = await self._write_beside_calls(
            self._last_uses.write, on_error=lambda error: report(WARNING, "last_use.not_written", error)
        )
        if written and self._last_uses.is_due:
            self._wake_event.set()

    async def _sweep_nonces(self) -> None:
        await self._write_beside_calls(
            self._sweeper.delete_expired, on_error=lambda error: report(WARNING, "nonces.not_swept", error)
        )

    async def _write_beside_calls(
        self,
        write: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]],
        on_error: Callable[[Exception], None],
    ) -> bool:
        """Let `write` use the connection; return whether it succeeded. If not, call `on_error` and disconnect."""
        try:
            libpq = await self._get_connection()
            with libpq.watchdog, libpq.lend() as connection:
                await write(connection)
        except Exception as error:
            on_error(error)
            self._database_failed = True
            self._disconnect()
            return False
        return True

    def _wake(self) -> None:
        self._timer = None
        self._wake_event.set()

    def _drop_answered(self) -> None:
        """Remove calls that were refused in the queue: they need no decision, and leave room for others."""
        self._queue = [waiting for waiting in self._queue if not waiting.is_answered]
