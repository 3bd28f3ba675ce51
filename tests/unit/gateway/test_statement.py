"""A statement sent over libpq itself: what comes back, what is refused, and an end to every wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import uvloop
from psycopg import AsyncConnection, errors

from gateway.connection import connect, cut
from gateway.statement import Statement
from tests.gateways import conninfo

pytestmark = pytest.mark.django_db(transaction=True)

JOIN = Statement("join", "SELECT %s || %s")
NUMBER = Statement("number", "SELECT %s::integer")
SLEEP = Statement("sleep", "SELECT pg_sleep(%s::float8)")


def run(work: Callable[[AsyncConnection[Any]], Awaitable[None]], *, pooled: bool = False) -> None:
    async def connected() -> None:
        async with await connect(conninfo(), pooled=pooled) as connection:
            await work(connection)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connected())


@pytest.mark.parametrize("pooled", [False, True])
def test_it_is_prepared_where_that_lasts(pooled):
    async def work(connection: AsyncConnection[Any]) -> None:
        for _ in range(2):
            assert (await JOIN.execute(connection, ["é", "$1 %s"])).get_value(0, 0) == "é$1 %s".encode()
        prepared = await (await connection.execute("SELECT name FROM pg_prepared_statements")).fetchall()
        assert [name for (name,) in prepared if name == "join"] == ([] if pooled else ["join"])

    run(work, pooled=pooled)


def test_each_connection_has_its_own():
    async def work(connection: AsyncConnection[Any]) -> None:
        async with await connect(conninfo()) as other:
            for each in (connection, other, connection):
                assert (await JOIN.execute(each, ["a", "b"])).get_value(0, 0) == b"ab"

    run(work)


def test_what_does_not_go_out_at_once_goes_out():
    async def work(connection: AsyncConnection[Any]) -> None:
        large = "x" * 20_000_000
        result = await JOIN.execute(connection, [large, "y"])
        assert result.get_value(0, 0) == large.encode() + b"y"

    run(work)


def test_what_the_database_refuses_is_said_and_the_connection_goes_on():
    async def work(connection: AsyncConnection[Any]) -> None:
        with pytest.raises(errors.InvalidTextRepresentation, match="many"):
            await NUMBER.execute(connection, ["many"])
        with pytest.raises(psycopg.DataError, match="NUL"):
            await NUMBER.execute(connection, ["1\x00"])
        assert (await NUMBER.execute(connection, ["7"])).get_value(0, 0) == b"7"

    run(work)


def test_a_cut_ends_the_wait():
    async def work(connection: AsyncConnection[Any]) -> None:
        asyncio.get_running_loop().call_later(0.1, cut, connection)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(SLEEP.execute(connection, ["30"]), 10)

    run(work)
