"""Opens, watches and cuts connections to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection

Connect = Callable[[], Awaitable[AsyncConnection[Any]]]

# synchronous_commit makes the commit wait for the disk. The timeouts end what a stuck database would hold for ever.
SESSION_OPTIONS = (
    "-c synchronous_commit=on -c statement_timeout=2000 -c lock_timeout=1000"
    " -c idle_in_transaction_session_timeout=5000"
)


async def connect(conninfo: str, *, pooled: bool = False) -> AsyncConnection[Any]:
    """Return a new autocommit connection. `pooled`: behind a transaction pooler nothing is prepared, because the next
    statement may run in another session, and the session settings must be the role's."""
    options: dict[str, Any] = {} if pooled else {"options": SESSION_OPTIONS}
    connection = await AsyncConnection.connect(
        conninfo, autocommit=True, connect_timeout=3, application_name="keyward-gateway", **options
    )
    connection.prepare_threshold = None if pooled else 0
    return connection


def cut(connection: AsyncConnection[Any]) -> None:
    """Shut the socket down without asking the server, which may be frozen. Whoever waits for a result gets an error."""
    # A duplicate, because closing it must not close the descriptor of libpq.
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def abandon(connection: AsyncConnection[Any]) -> None:
    """Cut the connection and free it. Nobody may be waiting for a result."""
    cut(connection)
    with contextlib.suppress(Exception):
        connection.pgconn.finish()


class Watchdog:
    """Context manager that calls `on_timeout` if its body takes longer than `seconds`: a frozen database sends no
    timeout.

    Its timer is left running for later bodies, because most end long before it fires.
    """

    def __init__(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._seconds, self._on_timeout = seconds, on_timeout
        self._loop = asyncio.get_running_loop()
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._until = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._until, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._until = math.inf

    def _look(self) -> None:
        self._timer = None
        if self._until <= self._loop.time():
            self._on_timeout()
        elif self._until < math.inf:
            self._timer = self._loop.call_at(self._until, self._look)
