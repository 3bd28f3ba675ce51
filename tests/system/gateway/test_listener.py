"""Who takes which connection: processes that accept from one socket share what waits there."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
import uvloop

import gateway.http.server
from gateway.error_log import report
from gateway.http.http_limits import DRAIN_SECONDS
from gateway.http.server import Listener, Server
from tests.system.gateway.echo_application import Echo
from tests.waiting import wait_in_loop_until


class NoDescriptors:
    """A listening socket of a process that may open nothing more, once."""

    def __init__(self, opened: socket.socket) -> None:
        self.opened, self.asked = opened, 0
        self.fileno = opened.fileno
        self.setblocking = opened.setblocking
        self.close = opened.close

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return self.opened.accept()


@pytest.fixture
def opened():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening


def ask(opened: socket.socket, count: int) -> list[socket.socket]:
    clients = [socket.create_connection(opened.getsockname(), 30) for _ in range(count)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return clients


async def until_all_are_taken(servers: list[Server], count: int) -> None:
    await wait_in_loop_until(lambda: sum(len(server.connections) for server in servers) >= count)


def test_two_share_what_waits(opened: socket.socket):
    clients, also = ask(opened, 20), opened.dup()

    async def serve() -> list[int]:
        servers = [Server(Echo(), report=report, idle_timeout_seconds=75) for _ in range(2)]
        listeners = [Listener(servers[0], opened), Listener(servers[1], also)]
        await until_all_are_taken(servers, len(clients))
        shares = [len(server.connections) for server in servers]
        for listener in listeners:
            await listener.close()
        for client in clients:
            assert await asyncio.to_thread(client.recv, 15) == b"HTTP/1.1 200 OK"
            client.close()
        for server in servers:
            await server.stop(1)
        return shares

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        shares = runner.run(serve())
    also.close()
    assert shares == [10, 10]


def test_after_a_lack_of_descriptors_it_goes_on(opened: socket.socket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway.http.server, "ACCEPT_PAUSE_SECONDS", 0.05)
    (client,) = ask(opened, 1)
    short = NoDescriptors(opened)

    async def serve() -> None:
        server = Server(Echo(), report=report, idle_timeout_seconds=75)
        listener = Listener(server, short)  # type: ignore[arg-type]
        await until_all_are_taken([server], 1)
        assert short.asked == 2
        await listener.close()
        client.close()
        await server.stop(1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def test_what_waits_when_it_closes_is_answered_and_what_comes_later_refused(opened: socket.socket):
    clients = ask(opened, 20)
    address = opened.getsockname()

    async def serve() -> None:
        server = Server(Echo(), report=report, idle_timeout_seconds=75)
        # Before the event loop had a turn to accept any of them.
        await Listener(server, opened).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 30)
        await server.stop(1, drain_seconds=DRAIN_SECONDS)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    answers = []
    for client in clients:
        with client:
            answers.append(client.recv(4096).lower())
    assert {answer[:15] for answer in answers} == {b"http/1.1 200 ok"}
    # The proxy learns that it must connect again.
    assert all(b"connection: close" in answer for answer in answers)
