"""Faults to plant in a gateway, so that the tests that should notice them are seen to do so."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from psycopg import AsyncConnection

from gateway import group_commit, snapshot

ROWS = 6


class _TwoStatements:
    """A connection whose loads read the rows first and the epoch after, as two statements."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection

    async def execute(self, query: str, parameters: dict[str, Any]) -> _TwoStatements:
        first = await (await self.connection.execute(query, parameters)).fetchone()
        second = await (await self.connection.execute(query, parameters)).fetchone()
        assert first is not None
        assert second is not None
        self.row = (*second[:ROWS], first[ROWS], *second[ROWS + 1 :])
        return self

    async def fetchone(self) -> tuple[Any, ...]:
        return self.row


def two_statements() -> None:
    load = snapshot.Snapshot.load

    async def split(self: snapshot.Snapshot, connection: AsyncConnection[Any], public_ids: Collection[str]) -> float:
        return await load(self, _TwoStatements(connection), public_ids)  # type: ignore[arg-type]

    snapshot.Snapshot.load = split  # type: ignore[method-assign]


def group_commit_ends() -> None:
    """Have the first call end the group commit of its process."""

    async def fail(self: group_commit.GroupCommit, batch: object) -> None:
        raise RuntimeError("planted")

    group_commit.GroupCommit._process = fail  # type: ignore[method-assign]


def group_commit_hangs() -> None:
    """Have the first batch never end, and a process be stuck after half a second."""

    async def hang(self: group_commit.GroupCommit, batch: object) -> None:
        await asyncio.Event().wait()

    group_commit.GroupCommit._process = hang  # type: ignore[method-assign]
    group_commit.STUCK_SECONDS = 0.5
