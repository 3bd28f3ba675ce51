"""All connections of one process to one application: their clock, their deadlines, their end."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from typing import Any

from gateway.http.connections import Connections
from gateway.http.messages import Application
from gateway.http.protocol import Connection
from gateway.limits import ACCEPT_PAUSE_SECONDS
from gateway.log_lines import ERROR, WARNING, report
from gateway.turns import Turns

TICK = 1.0


class Server:
    """Calling it makes the protocol of a new connection. `idle`: seconds that a connection may stay without asking.
    `all_connections` are those of the whole process, which may have several servers."""

    def __init__(self, application: Application, *, idle: float, all_connections: Connections | None = None) -> None:
        self.application = application
        self.idle = idle
        self.all_connections = Connections() if all_connections is None else all_connections
        self.connections: set[Connection] = set()
        self.turns = Turns()
        self.stopping = False
        self.tick()

    def __call__(self) -> Connection:
        return Connection(self)

    def tick(self) -> None:
        """Once a second: one look at every connection is cheaper than a timer for every request."""
        self.now = time.monotonic()
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in [each for each in self.connections if each.deadline <= self.now]:
            connection.give_up()

    async def stop(self, patience: float) -> None:
        """Answer what has begun, then close every connection; what does not end in time is cut off."""
        self.stopping = True
        for connection in list(self.connections):
            connection.stop()
        until = time.monotonic() + patience
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.01)
            if time.monotonic() - self.now >= TICK:
                self.tick()
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()


class Listener:
    """Takes one connection a turn of the event loop. All processes accept from the same socket; one that took all that
    waits there, as asyncio's own servers do, would leave nothing to the others, and who is busy should take fewer."""

    def __init__(self, server: Server, opened: socket.socket) -> None:
        self._server, self._opened = server, opened
        self._loop = asyncio.get_running_loop()
        self._taking: set[asyncio.Task[Any]] = set()
        self._pausing: asyncio.TimerHandle | None = None
        opened.setblocking(False)
        self._listen()

    def close(self) -> None:
        self._loop.remove_reader(self._opened)
        if self._pausing is not None:
            self._pausing.cancel()

    def _pause(self) -> None:
        self.close()
        self._pausing = self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._listen)

    def _listen(self) -> None:
        self._loop.add_reader(self._opened, self._accept)

    def _accept(self) -> None:
        if not self._server.all_connections.make_room():
            report(WARNING, "connections.full", connections=len(self._server.all_connections))
            self._pause()
            return
        try:
            taken, _ = self._opened.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another process was faster, or the client has gone.
            return
        except OSError as error:
            # Without descriptors one that proves nothing gives its own away; else the others go on, and this one waits.
            report(ERROR, "accept.failed", error)
            if not self._server.all_connections.evict():
                self._pause()
            return
        taken.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._server, taken))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
