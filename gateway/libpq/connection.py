"""The connection of the batches, straight over libpq: a cursor's way through the event loop costs as much CPU as four
calls do otherwise, and with one call in a batch more than all the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from gateway.libpq.database import Watchdog, abandon

T = TypeVar("T")


class Statement:
    """Prepared once a connection; behind a pooler, where nothing can be prepared, parsed each time. `%s` stands for the
    next parameter, `$1` for the first; parameters and results are text."""

    def __init__(self, name: str, query: str) -> None:
        number = count(1)
        first, *others = query.split("%s")
        self.query = (first + "".join(f"${next(number)}{piece}" for piece in others)).encode()
        self.name = name.encode()


class LibpqConnection:
    """One connection with a reader of its own, which stays on it between statements: so it knows at once when the
    server has ended it, and a statement asks the event loop for nothing. One statement at a time."""

    def __init__(self, connection: AsyncConnection[Any], *, timeout_seconds: float) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._loop = asyncio.get_running_loop()
        # libpq closes it by itself when the connection ends.
        self._descriptor = connection.pgconn.socket
        self._prepared: set[bytes] = set()
        self._pending: asyncio.Future[Any] | None = None
        self._result: PGresult | None = None
        self._on_result: Callable[[PGresult], Any]
        # What the system did not take at once is still on its way; mostly nothing is.
        self._has_unsent = False
        self._is_reading = False
        self.closed = False
        self.watchdog = Watchdog(timeout_seconds, connection)
        self._start_reading()

    async def execute(self, statement: Statement, parameters: Sequence[bytes], on_result: Callable[[PGresult], T]) -> T:
        """What `then` makes of the result, in the moment in which that is there: who waits here learns of it a turn of
        the event loop later. Raises what psycopg would."""
        if b"\0" in b"".join(parameters):
            # libpq would take it for the value's end.
            raise psycopg.DataError("PostgreSQL text cannot hold NUL")
        pgconn = self._pgconn
        if self._connection.prepare_threshold is None:
            pgconn.send_query_params(statement.query, parameters)
        else:
            if statement.name not in self._prepared:
                pgconn.send_prepare(statement.name, statement.query)
                await self._send(lambda result: None)
                self._prepared.add(statement.name)
            pgconn.send_query_prepared(statement.name, parameters)
        return await self._send(on_result)

    @contextmanager
    def lend(self) -> Iterator[AsyncConnection[Any]]:
        """For what psycopg itself does over it, which has a reader of its own."""
        self._stop_reading()
        try:
            yield self._connection
        finally:
            if self._connection.closed:
                self.closed = True
            else:
                self._start_reading()

    async def close(self) -> None:
        self._detach()
        await self._connection.close()

    def abandon(self) -> None:
        """When nobody waits any more, and the server may be frozen."""
        self._detach()
        abandon(self._connection)

    def _send(self, on_result: Callable[[PGresult], T]) -> asyncio.Future[T]:
        """Whoever cuts the connection ends the wait with an error."""
        self._result, self._on_result = None, on_result
        self._pending = pending = self._loop.create_future()
        if self._pgconn.flush():
            self._has_unsent = True
            self._loop.add_writer(self._descriptor, self._on_socket_ready)
        return pending

    def _on_socket_ready(self) -> None:
        """Something can be read, or written."""
        pending = self._pending
        if pending is None or pending.done():
            # The server speaks unasked when it ends a connection, and hardly ever else.
            self._detach()
            return
        pgconn = self._pgconn
        try:
            if self._has_unsent and not pgconn.flush():
                self._stop_writing()
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    break
                self._result = result
            else:
                return
        except psycopg.Error as error:
            self._detach()
            pending.set_exception(error)
            return
        self._pending, result = None, self._result
        try:
            if result is None:
                raise psycopg.OperationalError("no result")
            if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                raise error_from_result(result)
            pending.set_result(self._on_result(result))
        except Exception as error:
            pending.set_exception(error)

    def _stop_writing(self) -> None:
        if self._has_unsent:
            self._has_unsent = False
            self._loop.remove_writer(self._descriptor)

    def _start_reading(self) -> None:
        self._is_reading = True
        self._loop.add_reader(self._descriptor, self._on_socket_ready)

    def _stop_reading(self) -> None:
        # Once it is closed, its number may be somebody else's.
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._descriptor)

    def _detach(self) -> None:
        self.closed = True
        self._stop_writing()
        self._stop_reading()
