"""Whether this process can answer. Liveness touches nothing; readiness asks the database."""

from __future__ import annotations

import asyncio

from gateway.connection import Connect, abandon
from gateway.messages import Response
from gateway.responses import document

PATIENCE = 2.0
# Months that have no partition of their own, of this one and the next; their rows go to the DEFAULT partition.
MISSING = """
SELECT name FROM (
    SELECT 'audit_call_' || to_char((now() AT TIME ZONE 'UTC') + make_interval(months => m), 'YYYY_MM') AS name
    FROM generate_series(0, 1) m
) expected
WHERE to_regclass(name) IS NULL ORDER BY name
"""


async def missing_partitions(connect: Connect) -> list[str] | Exception:
    """Their names, or why the database does not say so in time. On a connection of its own, so that calls never wait
    for it."""
    connection = None
    try:
        async with asyncio.timeout(PATIENCE):
            connection = await connect()
            cursor = await connection.execute(MISSING)
            missing = [name for (name,) in await cursor.fetchall()]
            await connection.close()
    except Exception as error:
        if connection is not None:
            abandon(connection)
        return error
    return missing


async def ready(connect: Connect) -> Response:
    """200 when the database answers, with what needs care; else 503."""
    missing = await missing_partitions(connect)
    if isinstance(missing, Exception):
        return document(503, {"status": "unavailable", "database": type(missing).__name__})
    return document(200, {"status": "ready", "missing_partitions": missing})
