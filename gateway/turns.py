"""Turns of the unproved connections: whatever they send, one piece of it is parsed in a turn of the event loop, so that
no number of them keeps the proved ones waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.limits import MAX_FEED, MAX_UNPARSED

if TYPE_CHECKING:
    from gateway.http.protocol import Connection


class Turns:
    """The pieces that wait, oldest first. A connection has one at most: it is not read from while it waits."""

    def __init__(self) -> None:
        # Bytes, and where what is not parsed yet begins.
        self._waiting: deque[tuple[Connection, bytes, int]] = deque()
        self._size = 0
        # This turn's piece has been parsed.
        self._taken = False

    def add(self, connection: Connection, data: bytes) -> None:
        """Have the connection parse the data: at once if nobody waits, else when its turn comes."""
        start = 0
        if not self._taken:
            self._taken = True
            asyncio.get_running_loop().call_soon(self._next)
            connection.parse(data[:MAX_FEED])
            start = MAX_FEED
        if start >= len(data) or not connection.listening:
            return
        if self._size + len(data) > MAX_UNPARSED and len(data) > MAX_FEED:
            connection.abort()
            return
        self._size += len(data)
        connection.hold()
        self._waiting.append((connection, data, start))

    def _next(self) -> None:
        if not self._waiting:
            self._taken = False
            return
        asyncio.get_running_loop().call_soon(self._next)
        connection, data, start = self._waiting.popleft()
        end = start + MAX_FEED
        if connection.listening:
            connection.parse(data[start:end])
        if end < len(data) and connection.listening:
            self._waiting.append((connection, data, end))
        else:
            self._size -= len(data)
            connection.release()
