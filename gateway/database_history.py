"""What the processes of a gateway have seen of the database's history, so that none goes on with one that lacks it: an
old primary that came back, a restored backup, or a promoted replica that never received the last commits.

All processes share memory that is mapped before they are forked; each writes a row of its own, and what it wrote
outlives it. A gateway that is started or reloaded has seen nothing and accepts the database as it is.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from typing import NamedTuple
from uuid import UUID

import psycopg

from gateway.metrics import ROWS

# The timeline on which the server writes, 8 hexadecimal digits: each promotion begins the next one. An error on a
# replica.
TIMELINE = "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
# Whether the database has the change that was seen last. Changes before the oldest in the list are taken for known.
CONTAINS_SEEN = """
(SELECT e.n >= %(seen_n)s AND (
        EXISTS (SELECT FROM key_change c WHERE c.n = %(seen_n)s AND c.token = %(seen_token)s::uuid)
        OR (SELECT min(c.n) FROM key_change c) > %(seen_n)s)
    FROM key_epoch e)
"""


class DatabaseDiverged(psycopg.OperationalError):
    """The database lacks what this gateway has seen. Only a reload of the gateway accepts it."""


class Position(NamedTuple):
    """A moment of the database's history: its timeline, and the number and token of key_epoch."""

    timeline: str
    n: int
    token: str

    @property
    def parameters(self) -> dict[str, object]:
        """Those of CONTAINS_SEEN."""
        return {"seen_n": self.n, "seen_token": self.token}

    def require_contained(self, timeline: str, contains: bool) -> None:
        """Raise DatabaseDiverged if a database on `timeline`, that CONTAINS_SEEN or not, lacks this moment. It must
        have been asked after this moment was seen."""
        if timeline < self.timeline:
            raise DatabaseDiverged(f"the database is on timeline {timeline}, but {self.timeline} has been seen")
        if not contains:
            raise DatabaseDiverged(f"the database on timeline {timeline} lacks change {self.n} of the keys")


NOTHING_SEEN = Position("00000000", -1, "00000000-0000-0000-0000-000000000000")

_ROW, _MARK_SIZE = struct.Struct(">8sq16sI"), 8
# A mark that each write replaces by another, then the rows.
_SHARED = memoryview(mmap.mmap(-1, _MARK_SIZE + ROWS * _ROW.size))
_MARK = _SHARED[:_MARK_SIZE].cast("Q")


class DatabaseHistory:
    """The newest position that any process of this gateway has seen. Private until it is given a shared row."""

    def __init__(self) -> None:
        self._own: memoryview | None = None
        self._newest = NOTHING_SEEN
        self._mark: int | None = None

    def use_shared_row(self, row: int) -> None:
        """Begin with what the other processes, and those before this one, have seen."""
        self._own, self._mark = _get_row(row), None

    def get_newest(self) -> Position:
        if self._own is not None and self._mark != _MARK[0]:
            self._mark = _MARK[0]
            self._newest = max(self._newest, *map(_read, map(_get_row, range(ROWS))))
        return self._newest

    def add(self, position: Position) -> None:
        """Record a position that contains the newest one."""
        if position <= self.get_newest():
            return
        self._newest = position
        if self._own is not None:
            content = (position.timeline.encode(), position.n, UUID(position.token).bytes)
            self._own[:] = _ROW.pack(*content, _checksum(*content))
            # After the row: who finds the mark that it knows has read every row before it.
            _MARK[0] = int.from_bytes(os.urandom(_MARK_SIZE))


def _get_row(row: int) -> memoryview:
    start = _MARK_SIZE + row * _ROW.size
    return _SHARED[start : start + _ROW.size]


def _read(row: memoryview) -> Position:
    """Return a row's position; nothing if it is empty or being written."""
    timeline, n, token, checksum = _ROW.unpack(row)
    if checksum != _checksum(timeline, n, token) or not checksum:
        return NOTHING_SEEN
    return Position(timeline.decode(), n, str(UUID(bytes=token)))


def _checksum(timeline: bytes, n: int, token: bytes) -> int:
    return zlib.crc32(timeline + n.to_bytes(8, "big", signed=True) + token)
