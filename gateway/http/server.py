"""The HTTP server: the connections of one application, their clock and deadlines, and the accepting of new ones."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from typing import Any

from gateway.http.connections import ConnectionRegistry
from gateway.http.http_limits import ACCEPT_PAUSE_SECONDS
from gateway.http.messages import Application, Report
from gateway.http.parse_queue import ParseQueue
from gateway.http.protocol import HttpConnection

TICK_SECONDS = 1.0


class Server:
    """Serves one application; calling the server makes the protocol of a new connection.

    `report` logs its warnings and errors. `idle_timeout_seconds` is how long an authenticated connection may stay
    without a request. `all_connections` is the registry of the process, which several servers may share.
    """

    def __init__(
        self,
        application: Application,
        *,
        report: Report,
        idle_timeout_seconds: float,
        all_connections: ConnectionRegistry | None = None,
    ) -> None:
        self.application, self.report = application, report
        self.idle_timeout_seconds = idle_timeout_seconds
        self.all_connections = ConnectionRegistry() if all_connections is None else all_connections
        self.connections: set[HttpConnection] = set()
        self.parse_queue = ParseQueue()
        self.stopping = False
        self.tick()

    def __call__(self) -> HttpConnection:
        return HttpConnection(self)

    def tick(self) -> None:
        """Set the time and end connections whose deadline has passed. To be called once a second, which is cheaper than
        a timer for each request."""
        self.now = time.monotonic()
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in [each for each in self.connections if each.deadline <= self.now]:
            connection.on_deadline()

    async def stop(self, timeout_seconds: float, *, drain_seconds: float = 0.0) -> None:
        """Answer the requests that have begun, close all connections, and abort those still open after
        `timeout_seconds`. For `drain_seconds`, connections stay open for a request that may be on its way, and close
        with its response."""
        self.stopping = True
        await self._wait_for_connections(drain_seconds)
        for connection in list(self.connections):
            connection.stop()
        await self._wait_for_connections(timeout_seconds)
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _wait_for_connections(self, timeout_seconds: float) -> None:
        until = time.monotonic() + timeout_seconds
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.01)
            if time.monotonic() - self.now >= TICK_SECONDS:
                self.tick()


class Listener:
    """Accepts one connection in each turn of the event loop.

    All processes accept from the same socket. One that accepted everything that waits, as asyncio's own servers do,
    would leave nothing to the others, and a busy process should accept fewer.
    """

    def __init__(self, server: Server, listening: socket.socket) -> None:
        self.server, self._listening = server, listening
        self._loop = asyncio.get_running_loop()
        self._accept_tasks: set[asyncio.Task[Any]] = set()
        self._resume_timer: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._listen()

    async def close(self) -> None:
        """Accept the connections that wait, and close the socket, so that the system refuses further ones at once and
        their proxy asks another host. Where another process listens on the same socket, that one gets them. From now on
        each response is the last of its connection."""
        self.server.stopping = True
        self._stop_listening()
        while self._accept():
            pass
        self._stop_listening()
        self._listening.close()
        await asyncio.gather(*self._accept_tasks)

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self._listening)
        if self._resume_timer is not None:
            self._resume_timer.cancel()

    def _pause(self) -> None:
        self._stop_listening()
        self._resume_timer = self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._listen)

    def _listen(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> bool:
        """Accept a connection; return whether there was one."""
        if not self.server.all_connections.make_room():
            self.server.report("warning", "connections.full", connections=len(self.server.all_connections))
            self._pause()
            return False
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another process accepted the connection, or the client has gone.
            return False
        except OSError as error:
            # No descriptors are left: evict an unauthenticated connection to free one, or pause accepting.
            self.server.report("error", "accept.failed", error)
            if not self.server.all_connections.evict():
                self._pause()
            return False
        accepted.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self.server, accepted))
        self._accept_tasks.add(task)
        task.add_done_callback(self._accept_tasks.discard)
        return True
