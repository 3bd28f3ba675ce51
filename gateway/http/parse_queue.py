"""Turns of the unproved connections: whatever they send, one piece of it is parsed in a turn of the event loop, so that
no number of them keeps the proved ones waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.http.http_limits import MAX_PARSE_BYTES, MAX_UNPARSED_BYTES

if TYPE_CHECKING:
    from gateway.http.protocol import HttpConnection


class ParseQueue:
    """The pieces that wait, oldest first. A connection has one at most: it is not read from while it waits."""

    def __init__(self) -> None:
        # Bytes, and where what is not parsed yet begins.
        self._pieces: deque[tuple[HttpConnection, bytes, int]] = deque()
        self._waiting_bytes = 0
        # This turn's piece has been parsed.
        self._is_turn_taken = False

    def add(self, connection: HttpConnection, data: bytes) -> None:
        """Have the connection parse the data: at once if nobody waits, else when its turn comes."""
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
