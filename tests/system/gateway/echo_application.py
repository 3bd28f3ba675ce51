"""The gateway's server on real sockets, around an application that says what it was asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from gateway.error_log import report
from gateway.http.messages import Reply, Request, Response
from gateway.http.server import Server


class Echo:
    """`/later` is answered after 50 ms, `/never` never, `/fault` fails, `/big` has a body of 1 MB, the rest is answered
    at once."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        self.asked.append(request)
        if request.target.startswith(b"/fault"):
            raise RuntimeError("planted")
        body = b"x" * 1_000_000 if request.target.startswith(b"/big") else request.target
        response = Response(200, b"x-count: %d\r\n" % len(request.headers), body)
        if request.target.startswith(b"/later"):
            asyncio.get_running_loop().call_later(0.05, reply, response)
        elif not request.target.startswith(b"/never"):
            reply(response)


class Running:
    def __init__(self, idle: float, path: Path | None, application: Any) -> None:
        self.echo, self.idle, self.path = application or Echo(), idle, path
        self.loop = uvloop.new_event_loop()
        self.faults: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.ready.wait(5)

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        self.server, self.ended = Server(self.echo, report=report, idle_timeout_seconds=self.idle), asyncio.Event()
        if self.path:
            self.listener: Any = await self.loop.create_unix_server(self.server, str(self.path))
        else:
            self.listener = await self.loop.create_server(self.server, "127.0.0.1", 0, backlog=2048)
            self.port = self.listener.sockets[0].getsockname()[1]
        self.ready.set()
        while not self.ended.is_set():
            self.server.tick()
            await asyncio.sleep(0.02)
        self.listener.close()
        await self.server.stop(0)
        await asyncio.sleep(0.05)

    def call(self, work: Callable[[], Any]) -> None:
        """Have the server's own thread do it."""
        self.loop.call_soon_threadsafe(work)

    def stop(self, timeout_seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(timeout_seconds), self.loop).result(timeout_seconds + 5)

    def connect(self) -> Client:
        if self.path:
            connected = socket.socket(socket.AF_UNIX)
            connected.connect(str(self.path))
            return Client(connected)
        return Client(socket.create_connection(("127.0.0.1", self.port)))


class Client:
    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(30)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Client:
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        received = b""
        while piece := self.socket.recv(65536):
            received += piece
        return received

    def rest_or_reset(self) -> bytes:
        """Return the same of a server that may close before it has read all that was sent."""
        try:
            return self.rest()
        except ConnectionError:
            return b""

    def until(self, end: bytes, times: int = 1) -> bytes:
        received = b""
        while received.count(end) < times:
            piece = self.socket.recv(65536)
            assert piece, received
            received += piece
        return received

    def closed(self, within: float) -> bool:
        self.socket.settimeout(within)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True


@contextmanager
def serving(*, idle: float = 75, path: Path | None = None, application: Any = None) -> Iterator[Running]:
    running = Running(idle, path, application)
    try:
        yield running
    finally:
        running.call(running.ended.set)
        running.thread.join(5)
    assert running.faults == []
