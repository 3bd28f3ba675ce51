"""The statement of every batch, straight over libpq: a cursor's way through the event loop costs as much CPU as four
calls do otherwise, and with one call in a batch more than all the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult


class Statement:
    """Prepared once a connection; behind a pooler, where nothing can be prepared, parsed each time. `%s` stands for a
    parameter; parameters and results are text."""

    def __init__(self, name: str, query: str) -> None:
        number = count(1)
        first, *others = query.split("%s")
        self._query = (first + "".join(f"${next(number)}{piece}" for piece in others)).encode()
        self._name = name.encode()
        self._prepared: WeakSet[AsyncConnection[Any]] = WeakSet()

    async def execute(self, connection: AsyncConnection[Any], parameters: Sequence[str | None]) -> PGresult:
        """Raises what psycopg would. The connection must not be used by anybody else meanwhile."""
        values = [None if value is None else value.encode() for value in parameters]
        if b"\0" in b"".join(filter(None, values)):
            # libpq would take it for the value's end.
            raise psycopg.DataError("PostgreSQL text cannot hold NUL")
        pgconn = connection.pgconn
        if connection.prepare_threshold is None:
            pgconn.send_query_params(self._query, values)
            return await _result(pgconn)
        if connection not in self._prepared:
            pgconn.send_prepare(self._name, self._query)
            await _result(pgconn)
            self._prepared.add(connection)
        pgconn.send_query_prepared(self._name, values)
        return await _result(pgconn)


async def _result(pgconn: PGconn) -> PGresult:
    """Of what was sent last. Whoever cuts the connection ends the wait with an error."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    descriptor = pgconn.socket
    results: list[PGresult] = []
    # What the system did not take at once; mostly nothing.
    unsent = False

    def go_on() -> None:
        """Something can be read, or written."""
        nonlocal unsent
        try:
            if unsent and not pgconn.flush():
                unsent = False
                loop.remove_writer(descriptor)
            pgconn.consume_input()
            while not pgconn.is_busy() and not done.done():
                result = pgconn.get_result()
                if result is None:
                    done.set_result(None)
                else:
                    results.append(result)
        except psycopg.Error as error:
            if not done.done():
                done.set_exception(error)

    loop.add_reader(descriptor, go_on)
    try:
        if pgconn.flush():
            unsent = True
            loop.add_writer(descriptor, go_on)
        await done
    finally:
        loop.remove_reader(descriptor)
        if unsent:
            loop.remove_writer(descriptor)
    *_, result = results
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise error_from_result(result)
    return result
