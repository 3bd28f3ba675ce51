"""The gateway's one connection: how it is made, watched and cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection

Connect = Callable[[], Awaitable[AsyncConnection[Any]]]

# What keeps a row: the commit waits for the disk. The timeouts end what a stuck database would hold for ever.
SESSION = (
    "-c synchronous_commit=on -c statement_timeout=2000 -c lock_timeout=1000"
    " -c idle_in_transaction_session_timeout=5000"
)


async def connect(conninfo: str, *, pooled: bool = False) -> AsyncConnection[Any]:
    """An autocommit connection. Behind a transaction pooler the session's settings are the role's own, and nothing is
    prepared, because the next statement may run in another session."""
    options: dict[str, Any] = {} if pooled else {"options": SESSION}
    connection = await AsyncConnection.connect(
        conninfo, autocommit=True, connect_timeout=3, application_name="keyward-gateway", **options
    )
    connection.prepare_threshold = None if pooled else 0
    return connection


def ended(connection: AsyncConnection[Any]) -> bool:
    """Whether a connection that nobody waits on is over, which libpq learns only when it is used next. The server
    speaks unasked when it ends a connection, and hardly ever else."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def cut(connection: AsyncConnection[Any]) -> None:
    """End the connection at the socket, without asking the server, which may be frozen. Whoever waits gets an error."""
    # A duplicate, because closing it must not close libpq's own descriptor under it.
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def abandon(connection: AsyncConnection[Any]) -> None:
    """Give a connection up that nobody waits on any more."""
    cut(connection)
    with contextlib.suppress(Exception):
        connection.pgconn.finish()


class Watchdog:
    """Cuts the connection if what runs inside takes longer than `seconds`: a frozen database times nothing out."""

    def __init__(self, seconds: float, connection: AsyncConnection[Any]) -> None:
        self.seconds, self.connection = seconds, connection

    def __enter__(self) -> None:
        self.timer = asyncio.get_running_loop().call_later(self.seconds, cut, self.connection)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.timer.cancel()
