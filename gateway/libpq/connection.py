"""A connection that runs the group commit's statements straight over libpq: psycopg's cursor needs as much CPU time for
one statement as four calls need otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import Diagnostic, error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from gateway.libpq.database import Watchdog, abandon, cut

T = TypeVar("T")


class Statement:
    """A statement that is prepared once for each connection, or, behind a pooler, parsed each time. `%s` stands for the
    next parameter, `$1` for the first; parameters and results are text."""

    def __init__(self, name: str, query: str) -> None:
        number = count(1)
        first, *rest = query.split("%s")
        self.query = (first + "".join(f"${next(number)}{piece}" for piece in rest)).encode()
        self.name = name.encode()


class LibpqConnection:
    """Runs one statement at a time. Its reader stays registered with the event loop between statements: that saves two
    system calls a statement, and shows at once when the server ends the connection."""

    def __init__(self, connection: AsyncConnection[Any], *, timeout_seconds: float) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._loop = asyncio.get_running_loop()
        # Closed by libpq with the connection.
        self._descriptor = connection.pgconn.socket
        self._prepared: set[bytes] = set()
        self._pending: asyncio.Future[Any] | None = None
        self._result: PGresult | None = None
        self._on_result: Callable[[PGresult], Any]
        # Whether the system has not yet taken all that was sent.
        self._has_unsent = False
        self._is_reading = False
        # Whether the server has said that it ended a commit without waiting for its synchronous replica any longer.
        self._commit_unsafe = False
        connection.add_notice_handler(self._on_notice)
        self.closed = False
        self.watchdog = Watchdog(timeout_seconds, self._on_timeout)
        self._start_reading()

    async def execute(self, statement: Statement, parameters: Sequence[bytes], on_result: Callable[[PGresult], T]) -> T:
        """Run the statement and return `on_result(result)`, which is called as soon as the result is there: the
        awaiting coroutine resumes a turn of the event loop later. Raise what psycopg would raise."""
        if b"\0" in b"".join(parameters):
            # libpq would end the value there.
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
        """Lend the psycopg connection, which has a reader of its own; meanwhile nothing may be executed."""
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
        """Close without waiting for the server, which may be frozen."""
        self._detach()
        abandon(self._connection)

    def _send(self, on_result: Callable[[PGresult], T]) -> asyncio.Future[T]:
        """Send what was queued, and return a future of the result. Cutting the connection ends it with an error."""
        self._result, self._on_result, self._commit_unsafe = None, on_result, False
        self._pending = pending = self._loop.create_future()
        if self._pgconn.flush():
            self._has_unsent = True
            self._loop.add_writer(self._descriptor, self._on_socket_ready)
        return pending

    def _on_socket_ready(self) -> None:
        """Send and receive what the socket allows; resolve the future when the result is complete."""
        pending = self._pending
        if pending is None or pending.done():
            # Unsolicited input nearly always means that the server ends the connection.
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
                # libuv stops watching a socket after the first event that carries an error. This may be it: the
                # server's last message and the end of the connection can come as one event, and the end is still
                # unread.
                self._stop_reading()
                self._start_reading()
                return
        except Exception as error:
            self._detach()
            pending.set_exception(error)
            return
        self._pending, result = None, self._result
        try:
            if result is None:
                raise psycopg.OperationalError("no result")
            if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                raise error_from_result(result)
            if self._commit_unsafe:
                raise psycopg.OperationalError("committed, but perhaps not replicated")
            pending.set_result(self._on_result(result))
        except Exception as error:
            pending.set_exception(error)

    def _on_notice(self, diagnostic: Diagnostic) -> None:
        """Notice a commit that somebody cancelled: PostgreSQL reports it as done, with a warning."""
        self._commit_unsafe |= diagnostic.source_function == "SyncRepWaitForLSN"

    def _on_timeout(self) -> None:
        """Cut the connection and end the wait at once, whether or not the event loop reports the cut."""
        cut(self._connection)
        pending, self._pending = self._pending, None
        if pending is not None and not pending.done():
            self._detach()
            pending.set_exception(psycopg.OperationalError("the server did not answer in time"))

    def _stop_writing(self) -> None:
        if self._has_unsent:
            self._has_unsent = False
            self._loop.remove_writer(self._descriptor)

    def _start_reading(self) -> None:
        self._is_reading = True
        self._loop.add_reader(self._descriptor, self._on_socket_ready)

    def _stop_reading(self) -> None:
        # After a close, the number may belong to another descriptor.
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._descriptor)

    def _detach(self) -> None:
        self.closed = True
        self._stop_writing()
        self._stop_reading()
