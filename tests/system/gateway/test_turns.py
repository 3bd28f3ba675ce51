"""What bounds the work of one turn of the event loop: pieces of unproved connections, answers to held refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gateway.delayed_refusals import DelayedRefusals
from gateway.http import parse_queue
from gateway.http.http_limits import MAX_PARSE_BYTES
from gateway.http.parse_queue import ParseQueue
from gateway.limits import DELAYED_REFUSALS_PER_TURN, MAX_DELAYED_REFUSALS
from gateway.waiting_call import WaitingCall
from keys.decision.access import INVALID_CREDENTIALS, Decision
from tests.system.gateway.echo_application import serving
from tests.system.gateway.test_connections import PROXY, Doorkeeper
from tests.unit.keys.test_access import NOW, a_call
from tests.waiting import happens


class Peer:
    def __init__(self) -> None:
        self.is_reading, self.held, self.aborted = True, False, False
        self.parsed: list[bytes] = []

    def parse(self, data: bytes) -> None:
        self.parsed.append(data)

    def pause_reading(self) -> None:
        assert not self.held
        self.held = True

    def resume_reading(self) -> None:
        self.held = False

    def abort(self) -> None:
        self.aborted = True
        self.is_reading = False


async def count_by_turn(count: Callable[[], int], parse_queue: int) -> list[int]:
    """Return how much `count` grew in each turn of the event loop."""
    grown = []
    for _ in range(parse_queue):
        before = count()
        await asyncio.sleep(0)
        grown.append(count() - before)
    return grown


def test_of_all_unproved_connections_one_piece_a_turn_is_parsed_and_each_has_its_turn():
    data = bytes(MAX_PARSE_BYTES) + bytes(MAX_PARSE_BYTES) + b"end"
    peers = [Peer() for _ in range(5)]

    async def run() -> list[int]:
        exchanges = ParseQueue()
        for peer in peers:
            exchanges.add(peer, data)  # type: ignore[arg-type]
        assert [len(peer.parsed) for peer in peers] == [1, 0, 0, 0, 0]
        assert all(peer.held for peer in peers)
        grown = await count_by_turn(lambda: sum(len(peer.parsed) for peer in peers), 16)
        assert not any(peer.held for peer in peers)
        # Who comes when nobody waits does not wait either.
        exchanges.add(peers[0], b"again")  # type: ignore[arg-type]
        assert (peers[0].parsed.pop(), peers[0].held) == (b"again", False)
        return grown

    assert asyncio.run(run()) == [1] * 14 + [0] * 2
    assert [b"".join(peer.parsed) for peer in peers] == [data] * 5


def test_who_is_gone_or_refused_when_its_turn_comes_is_passed_over():
    first, gone, last = Peer(), Peer(), Peer()

    async def run() -> None:
        exchanges = ParseQueue()
        for peer in (first, gone, last):
            exchanges.add(peer, b"data")  # type: ignore[arg-type]
        gone.is_reading = False
        await count_by_turn(lambda: 0, 4)

    asyncio.run(run())
    assert (first.parsed, gone.parsed, last.parsed) == ([b"data"], [], [b"data"])


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parse_queue, "MAX_UNPARSED_BYTES", 3 * MAX_PARSE_BYTES)
    large, larger, small = Peer(), Peer(), Peer()

    async def run() -> None:
        exchanges = ParseQueue()
        exchanges.add(Peer(), b"first")  # type: ignore[arg-type]
        for peer, size in (
            (large, 2 * MAX_PARSE_BYTES),
            (larger, 2 * MAX_PARSE_BYTES),
            (small, MAX_PARSE_BYTES),
            (small, 1),
        ):
            if not peer.held:
                exchanges.add(peer, bytes(size))  # type: ignore[arg-type]
        await count_by_turn(lambda: 0, 8)
        # And what has been parsed does not count.
        larger.is_reading = True
        exchanges.add(Peer(), b"first")  # type: ignore[arg-type]
        exchanges.add(larger, bytes(2 * MAX_PARSE_BYTES))  # type: ignore[arg-type]
        await count_by_turn(lambda: 0, 8)

    asyncio.run(run())
    assert (large.aborted, larger.aborted, small.aborted) == (False, True, False)
    assert [sum(map(len, peer.parsed)) for peer in (large, larger, small)] == [
        2 * MAX_PARSE_BYTES,
        2 * MAX_PARSE_BYTES,
        MAX_PARSE_BYTES,
    ]


def test_a_proxy_waits_for_no_unproved_connection(monkeypatch: pytest.MonkeyPatch):
    """Of two hundred that send what is not answered yet; afterwards each of them is heard."""
    paused: list[Callable[[], None]] = []
    with serving(application=Doorkeeper()) as running, running.connect() as proxy:
        proxy.send(PROXY).until(b"/proxy")
        monkeypatch.setattr(
            parse_queue.asyncio, "get_running_loop", lambda: SimpleNamespace(call_soon=paused.append), raising=True
        )
        others = [running.connect().send(b"GET /%d HTTP/1.1\r\n\r\n" % number) for number in range(200)]
        assert happens(lambda: len(running.server.parse_queue._pieces) == 199)
        assert proxy.send(PROXY).until(b"/proxy").startswith(b"HTTP/1.1 200")
        assert len(running.echo.asked) == 3
        monkeypatch.undo()
        running.call(paused[0])
        for number, other in enumerate(others):
            with other:
                assert other.until(b"/%d" % number).startswith(b"HTTP/1.1 200")


def test_held_refusals_go_on_together_and_are_answered_a_few_a_turn():
    received: list[str] = []
    resumed: list[int] = []

    def pending(number: int) -> WaitingCall:
        call = replace(a_call(), request_id=f"id-{number}")
        return WaitingCall("ledger", call, "", lambda decision, api: received.append(decision.call.request_id))

    async def run() -> list[int]:
        held = DelayedRefusals(lambda calls: resumed.append(len(calls)))
        calls = [pending(number) for number in range(MAX_DELAYED_REFUSALS)]
        held.add(calls[:-1])
        assert (len(held), resumed) == (MAX_DELAYED_REFUSALS - 1, [])
        held.add(calls[-1:])
        assert (len(held), resumed) == (0, [MAX_DELAYED_REFUSALS])
        for one in calls:
            one.answer(Decision(one.call, None, NOW, INVALID_CREDENTIALS))
            one.answer(Decision(one.call, None, NOW, INVALID_CREDENTIALS))
        grown = await count_by_turn(lambda: len(received), MAX_DELAYED_REFUSALS // DELAYED_REFUSALS_PER_TURN + 1)
        held.stop()
        held.add([pending(0)])
        assert resumed == [MAX_DELAYED_REFUSALS, 0, 1]
        return grown

    assert asyncio.run(run()) == [DELAYED_REFUSALS_PER_TURN] * (MAX_DELAYED_REFUSALS // DELAYED_REFUSALS_PER_TURN) + [0]
    assert received == [f"id-{number}" for number in range(MAX_DELAYED_REFUSALS)]
