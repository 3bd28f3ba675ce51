"""Statements sent over libpq itself: what comes back, what is refused, and an end to every wait."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import uvloop
from django.conf import settings
from psycopg import errors
from psycopg.pq.abc import PGresult

from gateway.libpq.connection import LibpqConnection, Statement
from gateway.libpq.database import connect, cut
from tests.gateways import conninfo
from tests.waiting import wait_in_loop_until, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

JOIN = Statement("join", "SELECT %s || %s")
NUMBER = Statement("number", "SELECT %s::integer")
SLEEP = Statement("sleep", "SELECT pg_sleep(%s::float8)")
PROCESS = Statement("process", "SELECT pg_backend_pid()")
END = Statement("end", "SELECT pg_terminate_backend(%s::integer)")


def run(
    work: Callable[[LibpqConnection], Awaitable[None]], *, pooled: bool = False, timeout_seconds: float = 30
) -> None:
    async def connected() -> None:
        wire = LibpqConnection(await connect(conninfo(), pooled=pooled), timeout_seconds=timeout_seconds)
        await work(wire)
        await wire.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connected())


def first(result: PGresult) -> bytes | None:
    return result.get_value(0, 0)


async def joined(wire: LibpqConnection, one: bytes = b"a", other: bytes = b"b") -> bytes | None:
    return await wire.execute(JOIN, [one, other], first)


@pytest.mark.parametrize("pooled", [False, True])
def test_it_is_prepared_where_that_lasts(pooled):
    async def work(wire: LibpqConnection) -> None:
        for _ in range(2):
            assert await joined(wire, "é".encode(), b"$1 %s") == "é$1 %s".encode()
        with wire.lend() as connection:
            prepared = await (await connection.execute("SELECT name FROM pg_prepared_statements")).fetchall()
        assert [name for (name,) in prepared if name == "join"] == ([] if pooled else ["join"])

    run(work, pooled=pooled)


def test_each_connection_has_its_own():
    async def work(wire: LibpqConnection) -> None:
        other = LibpqConnection(await connect(conninfo()), timeout_seconds=30)
        for each in (wire, other, wire):
            assert await joined(each) == b"ab"
        await other.close()

    run(work)


def test_what_does_not_go_out_at_once_goes_out():
    async def work(wire: LibpqConnection) -> None:
        large = b"x" * 20_000_000
        assert await joined(wire, large) == large + b"b"
        assert await joined(wire) == b"ab"

    run(work)


def test_what_the_database_refuses_is_said_and_the_connection_goes_on():
    async def work(wire: LibpqConnection) -> None:
        with pytest.raises(errors.InvalidTextRepresentation, match="many"):
            await wire.execute(NUMBER, [b"many"], first)
        with pytest.raises(psycopg.DataError, match="NUL"):
            await wire.execute(NUMBER, [b"1\x00"], first)
        assert await wire.execute(NUMBER, [b"7"], first) == b"7"

    run(work)


def test_between_statements_it_is_lent():
    async def work(wire: LibpqConnection) -> None:
        for _ in range(3):
            assert await joined(wire) == b"ab"
            with wire.lend() as connection:
                assert await (await connection.execute("SELECT pg_sleep(0.01), 7")).fetchone() == ("", 7)
        assert not wire.closed

    run(work)


def test_a_cut_ends_the_wait():
    async def work(wire: LibpqConnection) -> None:
        with wire.lend() as connection:
            asyncio.get_running_loop().call_later(0.1, cut, connection)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(wire.execute(SLEEP, [b"30"], first), 10)
        assert wire.closed

    run(work)


@pytest.mark.slow
def test_it_is_cut_when_a_statement_takes_too_long_and_not_before():
    async def work(wire: LibpqConnection) -> None:
        # Together longer than one may take, so beyond the time that was set for the first.
        for _ in range(4):
            with wire.watchdog:
                await wire.execute(SLEEP, [b"0.4"], first)
        await asyncio.sleep(1.5)
        assert not wire.closed
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError), wire.watchdog:
            await wire.execute(SLEEP, [b"30"], first)
        assert 1.4 < time.monotonic() - began < 15

    run(work, timeout_seconds=1.5)


@pytest.mark.parametrize("lend", [False, True])
def test_it_knows_when_the_server_has_ended_it(lend):
    async def work(wire: LibpqConnection) -> None:
        process = await wire.execute(PROCESS, [], first)
        other = LibpqConnection(await connect(conninfo()), timeout_seconds=30)
        closed = other.execute(END, [process], first)
        if lend:
            with pytest.raises(psycopg.OperationalError), wire.lend() as connection:
                asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(closed))
                await connection.execute("SELECT pg_sleep(30)")
        else:
            await closed
            await wait_in_loop_until(lambda: wire.closed)
        assert wire.closed
        await other.close()

    run(work)


@pytest.mark.skipif(not settings.EMBEDDED_DATABASE, reason="the server's processes cannot be signalled")
def test_a_server_that_ends_without_reading_the_statement_ends_the_wait():
    """Its farewell can be read, and then the socket has an error, after which libuv tells of nothing more."""

    async def work(wire: LibpqConnection) -> None:
        assert await joined(wire) == b"ab"
        process = int(await wire.execute(PROCESS, [], first) or 0)
        os.kill(process, signal.SIGSTOP)
        os.kill(process, signal.SIGTERM)
        task = asyncio.ensure_future(joined(wire))
        await asyncio.sleep(0.05)
        os.kill(process, signal.SIGCONT)
        # Both in one turn of the event loop.
        wait_until(lambda: not Path(f"/proc/{process}").exists(), interval=0.01)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(task, 5)
        assert wire.closed

    run(work)


def test_a_wait_ends_in_time_though_the_event_loop_tells_of_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.libpq.connection.cut", lambda connection: None)

    async def work(wire: LibpqConnection) -> None:
        with pytest.raises(psycopg.OperationalError, match="in time"), wire.watchdog:
            await asyncio.wait_for(wire.execute(SLEEP, [b"3"], first), 2)
        assert wire.closed

    run(work, timeout_seconds=0.3)
