"""A queue of unauthenticated input: each turn of the event loop parses one piece of it, so that no number of
unauthenticated connections delays the authenticated ones."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.http.http_limits import MAX_PARSE_BYTES, MAX_UNPARSED_BYTES

if TYPE_CHECKING:
    from gateway.http.protocol import HttpConnection


class ParseQueue:
    """The pieces that wait, oldest first. A connection has at most one, because it is not read from while it waits."""

    def __init__(self) -> None:
        # The bytes of each piece, and the offset up to which they were parsed.
        self._pieces: deque[tuple[HttpConnection, bytes, int]] = deque()
        self._waiting_bytes = 0
        # Whether a piece was parsed in this turn of the event loop.
        self._is_turn_taken = False

    def add(self, connection: HttpConnection, data: bytes) -> None:
        """Let the connection parse the data, at once if no other waits. Abort it if too many bytes wait."""
        start = 0
        if not self._is_turn_taken:
            self._is_turn_taken = True
            asyncio.get_running_loop().call_soon(self._parse_next)
            connection.parse(data[:MAX_PARSE_BYTES])
            start = MAX_PARSE_BYTES
        if start >= len(data) or not connection.is_reading:
            return
        if self._waiting_bytes + len(data) > MAX_UNPARSED_BYTES and len(data) > MAX_PARSE_BYTES:
            connection.abort()
            return
        self._waiting_bytes += len(data)
        connection.pause_reading()
        self._pieces.append((connection, data, start))

    def _parse_next(self) -> None:
        if not self._pieces:
            self._is_turn_taken = False
            return
        asyncio.get_running_loop().call_soon(self._parse_next)
        connection, data, start = self._pieces.popleft()
        end = start + MAX_PARSE_BYTES
        if connection.is_reading:
            connection.parse(data[start:end])
        if end < len(data) and connection.is_reading:
            self._pieces.append((connection, data, end))
        else:
            self._waiting_bytes -= len(data)
            connection.resume_reading()
