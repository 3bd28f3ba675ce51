"""All connections of one process to one application: their clock, their deadlines, their end."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from gateway.protocol import Application, Connection

TICK = 1.0


class Server:
    """Calling it makes the protocol of a new connection. `idle`: seconds that a connection may stay without asking."""

    def __init__(self, application: Application, *, idle: float) -> None:
        self.application = application
        self.idle = idle
        self.connections: set[Connection] = set()
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
