"""The connections of one process, and which of them is evicted when there are too many."""

from __future__ import annotations

import os
import resource
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.http.http_limits import MAX_CONNECTIONS, RESERVED_DESCRIPTORS, UNAUTHENTICATED_SHARE

if TYPE_CHECKING:
    from gateway.http.protocol import HttpConnection

# The minimum, however few files may be opened: then accepting fails, which is handled.
MIN_CONNECTIONS = 8


def get_max_connections(maximum: int = MAX_CONNECTIONS, reserved: int = RESERVED_DESCRIPTORS) -> int:
    """Return how many connections this process may hold: at most `maximum`, and at most the files that it may open less
    `reserved`. Raises the soft limit of open files where it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = 2 * maximum if hard == resource.RLIM_INFINITY else min(hard, 2 * maximum)
    if 0 <= soft < target:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
    if soft == resource.RLIM_INFINITY:
        return maximum
    with suppress(OSError):
        soft -= len(os.listdir("/proc/self/fd"))
    return max(min(maximum, soft - reserved), MIN_CONNECTIONS)


class ConnectionRegistry:
    """All connections of a process. Authenticated ones stay; of the others each address has a share, and the oldest is
    evicted first.

    A connection whose response is pending is not evicted, which never lasts long. So neither silent nor slow
    connections, of any number, keep a proxy out.
    """

    def __init__(self, maximum: int = MAX_CONNECTIONS) -> None:
        self.maximum = maximum
        self.max_per_address = max(int(maximum * UNAUTHENTICATED_SHARE), 1)
        self.evicted = 0
        self._connections: set[HttpConnection] = set()
        # Oldest first.
        self._unauthenticated: dict[HttpConnection, None] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: HttpConnection) -> None:
        """Add a new connection; evict the oldest unauthenticated one of its address if the address has more than its
        share."""
        self._connections.add(connection)
        self._unauthenticated[connection] = None
        self._by_address[connection.address] += 1
        if self._by_address[connection.address] > self.max_per_address:
            self._evict(connection.address)

    def mark_authenticated(self, connection: HttpConnection) -> None:
        """Exempt the connection from eviction."""
        if connection in self._unauthenticated:
            del self._unauthenticated[connection]
            self._decrement(connection.address)

    def discard(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        self.mark_authenticated(connection)

    def make_room(self) -> bool:
        """Return whether one more connection can be accepted, after evicting one if need be."""
        return len(self._connections) < self.maximum or self.evict()

    def evict(self) -> bool:
        """Evict the oldest unauthenticated connection; return whether there was one."""
        return self._evict(None)

    def _evict(self, address: str | None) -> bool:
        for connection in self._unauthenticated:
            if not connection.exchanges and address in (None, connection.address):
                break
        else:
            return False
        self.evicted += 1
        # At once, because the transport calls connection_lost a turn of the event loop later.
        self.discard(connection)
        connection.abort()
        return True

    def _decrement(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
