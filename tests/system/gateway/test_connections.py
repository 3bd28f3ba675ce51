"""Too many connections: who proves nothing goes, the oldest first, and a proxy always gets in."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from contextlib import ExitStack

import pytest
import uvloop

from gateway.error_log import report
from gateway.http import protocol
from gateway.http.connections import ConnectionRegistry, get_max_connections
from gateway.http.messages import Reply, Request, Response
from gateway.http.server import Listener, Server
from tests.system.gateway.echo_application import serving
from tests.waiting import happens

PROXY, ANYBODY = b"GET /proxy HTTP/1.1\r\n\r\n", b"GET /anybody HTTP/1.1\r\n\r\n"


class Peer:
    """A connection, as far as the table looks at it."""

    def __init__(self, address: str, exchanges: int = 0) -> None:
        self.address, self.exchanges = address, [None] * exchanges
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_one_address_has_a_share_of_what_is_unproved_and_its_oldest_goes():
    table = ConnectionRegistry(40)
    other, mine = Peer("192.0.2.1"), [Peer("192.0.2.9") for _ in range(15)]
    for peer in (other, *mine):
        table.add(peer)  # type: ignore[arg-type]
    assert [peer.aborted for peer in mine] == [True] * 5 + [False] * 10
    assert (other.aborted, len(table), table.evicted) == (False, 11, 5)


def test_what_is_proved_or_waits_for_its_answer_stays():
    table = ConnectionRegistry(8)
    proved, exchanges, silent = Peer("a"), Peer("b", exchanges=1), Peer("c")
    for peer in (proved, exchanges, silent):
        table.add(peer)  # type: ignore[arg-type]
    table.mark_authenticated(proved)  # type: ignore[arg-type]
    assert table.evict()
    assert not table.evict()
    assert (proved.aborted, exchanges.aborted, silent.aborted) == (False, False, True)
    # And they do not count for the share of their address.
    for peer in [Peer("a") for _ in range(6)]:
        table.add(peer)  # type: ignore[arg-type]
        table.mark_authenticated(peer)  # type: ignore[arg-type]
    assert (table.evicted, len(table), table.make_room()) == (1, 8, False)
    table.discard(proved)  # type: ignore[arg-type]
    assert table.make_room()


def test_it_is_as_many_as_files_may_be_opened():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 8 <= get_max_connections() <= 4096
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Doorkeeper:
    """An application to which `/proxy` proves itself, and nobody else; `/later` takes a moment."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        self.asked.append(request.target)
        if request.target != b"/proxy":
            reply.mark_unauthenticated()
        response = Response(200, b"", request.target)
        if request.target == b"/later":
            asyncio.get_running_loop().call_later(0.05, reply, response)
        else:
            reply(response)


@pytest.fixture
def opened():
    with socket.create_server(("127.0.0.1", 0), backlog=512) as is_reading:
        yield is_reading


def test_silent_connections_keep_no_proxy_out(opened: socket.socket):
    """Two hundred of them, at a process that may hold forty."""

    async def serve(stack: ExitStack) -> float:
        server = Server(Doorkeeper(), report=report, idle_timeout_seconds=75, all_connections=ConnectionRegistry(40))
        listener = Listener(server, opened)
        early = stack.enter_context(socket.create_connection(opened.getsockname(), 30))
        early.sendall(PROXY)
        assert await asyncio.to_thread(early.recv, 200)
        for _ in range(200):
            stack.enter_context(socket.create_connection(opened.getsockname(), 30))
        began = time.monotonic()
        late = stack.enter_context(socket.create_connection(opened.getsockname(), 30))
        late.sendall(PROXY)
        assert b"200 OK" in await asyncio.to_thread(late.recv, 200)
        took = time.monotonic() - began
        assert len(server.all_connections) <= 40
        early.sendall(PROXY)
        assert b"200 OK" in await asyncio.to_thread(early.recv, 200)
        await listener.close()
        await server.stop(0)
        return took

    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(serve(stack)) < 20


def test_who_is_not_proved_asks_one_question_at_a_time():
    """Of what is sent behind it without waiting nothing is read; a proxy may, and who waits may ask again."""
    with serving(application=Doorkeeper()) as running:
        for first in (ANYBODY, b"GET /later HTTP/1.1\r\n\r\n"):
            running.echo.asked.clear()
            with running.connect() as client:
                received = client.send(first + PROXY * 2000).rest_or_reset()
            assert received.count(b"HTTP/1.1 200") <= 1
            assert running.echo.asked == [first.split()[1]]
        with running.connect() as client:
            for _ in range(3):
                assert client.send(ANYBODY).until(b"/anybody")
            assert client.send(PROXY * 3 + ANYBODY).until(b"/anybody").count(b"200 OK") == 4


def test_who_is_not_proved_does_not_stay(monkeypatch: pytest.MonkeyPatch):
    with serving(application=Doorkeeper()) as running, running.connect() as client:
        assert client.send(ANYBODY).until(b"/anybody")
        # From the next answer on.
        monkeypatch.setattr(protocol, "FIRST_REQUEST_TIMEOUT_SECONDS", 0.2)
        assert client.send(ANYBODY).until(b"/anybody")
        assert client.closed(4)


def test_a_silent_connection_ends_soon_and_a_proved_one_stays(monkeypatch: pytest.MonkeyPatch):
    with serving(idle=75, application=Doorkeeper()) as running, running.connect() as proxy:
        proxy.send(PROXY).until(b"/proxy")
        monkeypatch.setattr(protocol, "FIRST_REQUEST_TIMEOUT_SECONDS", 0.2)
        with running.connect() as silent:
            assert silent.closed(4)
        assert not proxy.closed(0.3)


def test_fields_are_counted_while_they_arrive():
    """And no more of them is taken apart, though they came in one piece."""
    with serving(application=Doorkeeper()) as running:
        taken: list[int] = []
        first = protocol.HttpConnection.on_header

        def on_header(self: protocol.HttpConnection, name: bytes, value: bytes) -> None:
            taken.append(len(name))
            first(self, name, value)

        class Counting(protocol.HttpConnection):
            pass

        Counting.on_header = on_header  # type: ignore[method-assign]
        running.server.__class__ = type("Counted", (Server,), {"__call__": lambda server: Counting(server)})
        with running.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 12_000)
            assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
        assert len(taken) == protocol.MAX_FIELDS + 1
        assert happens(lambda: not running.server.connections)
