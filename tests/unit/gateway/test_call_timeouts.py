"""A call is answered in time, whatever it waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from core.request_id import generate_request_id
from gateway import call_timeouts, group_commit
from gateway.group_commit import GroupCommit
from gateway.limits import MAX_BATCH, MAX_QUEUE
from keys.decision.access import Call, Decision
from keys.decision.addresses import parse_address
from tests.gateways import decision_of
from tests.waiting import wait_in_loop_until


@pytest.fixture(autouse=True)
def timeout(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(call_timeouts, "CALL_TIMEOUT_SECONDS", 0.3)
    return 0.3 + call_timeouts.INTERVAL_SECONDS


async def never() -> Any:
    await asyncio.Event().wait()


def a_call() -> Call:
    address = parse_address("203.0.113.7")
    return Call(generate_request_id(), "tests", "GET", "", "/customers", "", "", address, None)


def run(work: Callable[[GroupCommit], Awaitable[None]], connect: Callable[[], Awaitable[Any]] = never) -> None:
    async def running() -> None:
        commit = GroupCommit(connect=connect, peppers={})
        task = asyncio.create_task(commit.run())
        try:
            await work(commit)
        finally:
            task.cancel()

    asyncio.run(running())


async def ask(commit: GroupCommit, calls: int) -> tuple[set[str], float]:
    """Return the reasons of the decisions, and the seconds until the last one."""
    began = time.monotonic()
    decisions: list[Decision] = await asyncio.wait_for(
        asyncio.gather(*(decision_of(commit, "ledger", a_call()) for _ in range(calls))), 10
    )
    return {decision.reason for decision in decisions}, time.monotonic() - began


@pytest.mark.parametrize("calls", [1, MAX_BATCH * 3])
@pytest.mark.slow
def test_a_database_that_is_never_reached(calls: int, timeout: float) -> None:
    async def work(commit: GroupCommit) -> None:
        reasons, seconds = await ask(commit, calls)
        assert reasons == {"unavailable"}
        assert 0.3 <= seconds < timeout + 1
        # Some of these find the batch before under way, the first of them a queue that is full of answered calls.
        assert (await ask(commit, MAX_QUEUE))[1] >= 0.3

    run(work)


def test_a_loop_that_has_ended(monkeypatch: pytest.MonkeyPatch, timeout: float) -> None:
    async def fail(self: GroupCommit, batch: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(GroupCommit, "_process", fail)

    async def work(commit: GroupCommit) -> None:
        for _ in range(2):
            reasons, seconds = await ask(commit, 5)
            assert reasons == {"unavailable"}
            assert seconds < timeout + 1

    run(work)


def test_a_call_is_answered_once_and_late_decisions_reach_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a batch was refused in time; the batch is written after all."""
    answers: list[tuple[str, str]] = []

    async def decide(self: GroupCommit, libpq: Any, batch: list[Any]) -> list[Any]:
        batch[0].received_at -= 60
        await wait_in_loop_until(lambda: batch[0].is_answered)
        return [(waiting, Decision(waiting.call, None, 0.0, "unknown_key")) for waiting in batch]

    async def connected(self: GroupCommit) -> Any:
        return type("Libpq", (), {"watchdog": _Nothing()})

    monkeypatch.setattr(GroupCommit, "_decide", decide)
    monkeypatch.setattr(GroupCommit, "_get_connection", connected)
    monkeypatch.setattr(call_timeouts, "CALL_TIMEOUT_SECONDS", 30)

    def note(name: str, decision: Decision, _: object) -> None:
        answers.append((name, decision.reason))

    async def work(commit: GroupCommit) -> None:
        for name in ("first", "second"):
            commit.submit("ledger", a_call(), "", partial(note, name))
        await wait_in_loop_until(lambda: len(answers) == 2)
        assert answers == [("first", "unavailable"), ("second", "unknown_key")]

    run(work)


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_batch_that_does_not_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "STUCK_SECONDS", 0.2)

    async def work(commit: GroupCommit) -> None:
        await asyncio.sleep(0.3)
        assert not commit.is_stuck
        await ask(commit, 1)
        assert commit.is_stuck

    run(work)
