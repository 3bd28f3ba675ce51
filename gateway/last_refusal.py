"""Find why the last refused call of a key was refused, for its holder: `/v1/whoami/<api>?explain=1`.

Looked up only after the holder has been authenticated and allowed, on a connection of its own: no call waits for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC
from typing import Any

from psycopg import AsyncConnection

from gateway.error_log import WARNING, report
from gateway.libpq.database import Connect, Watchdog, abandon, cut
from gateway.limits import EXPLANATION_TIMEOUT_SECONDS, MAX_EXPLAINED_CALLS, MAX_WAITING_EXPLANATIONS
from keys.decision.refusal_words import WORDS
from keys.decision.types import INVALID_CREDENTIALS, STATUS

PARAMETER = "explain=1"
# The refusals of calls whose secret matched: those of others are not the holder's.
REASONS = sorted(STATUS.keys() - {INVALID_CREDENTIALS, "unreadable_request", "unavailable"})
QUERY = """
SELECT time, request_id::text, method, path, host(client_address), module, reason FROM (
    SELECT time, request_id, method, path, client_address, module, reason FROM audit_call
    WHERE key_id = %s AND time > now() - interval '30 days'
    ORDER BY time DESC, request_id DESC LIMIT %s) newest
WHERE reason = ANY(%s) LIMIT 1
"""


def is_asked_for(query: str) -> bool:
    """Return whether the query of a who-am-I request asks for the explanation."""
    return PARAMETER in query.split("&")


class ExplanationUnavailable(Exception):
    """Too many are asked for, or the database does not answer."""


class LastRefusals:
    """Looks up one last refusal at a time; MAX_WAITING_EXPLANATIONS may wait."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def find(self, public_id: str) -> dict[str, Any] | None:
        """Return the last refusal among the key's newest MAX_EXPLAINED_CALLS calls of 30 days, as JSON has it; None
        without one. Raise ExplanationUnavailable."""
        if self._waiting >= MAX_WAITING_EXPLANATIONS:
            raise ExplanationUnavailable
        self._waiting += 1
        try:
            async with self._lock:
                row = await self._query(public_id)
        except Exception as error:
            report(WARNING, "explanation.failed", error)
            raise ExplanationUnavailable from error
        finally:
            self._waiting -= 1
        if row is None:
            return None
        time, request_id, method, path, address, module, reason = row
        meaning, remedy = WORDS[reason]
        return {
            "code": reason,
            "meaning": meaning,
            "remedy": remedy,
            "time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": request_id,
            "method": method,
            "path": path,
            "module": module,
            "client_address": address,
        }

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.close()

    async def _query(self, public_id: str) -> Any:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await asyncio.wait_for(self._connect(), EXPLANATION_TIMEOUT_SECONDS)
        try:
            # Cut, not cancelled: on a cancellation psycopg first asks the server, which may be frozen.
            with Watchdog(EXPLANATION_TIMEOUT_SECONDS, lambda: cut(connection)):
                cursor = await connection.execute(QUERY, [public_id, MAX_EXPLAINED_CALLS, REASONS])
                return await cursor.fetchone()
        except BaseException:
            self._connection = None
            with suppress(Exception):
                abandon(connection)
            raise
