"""When and from where each secret was last allowed: after the answers, sorted, at most once a minute a secret."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

# Sorted, because unsorted upserts of two processes deadlock; a secret destroyed meanwhile has no row to join.
WRITE = """
INSERT INTO keys_secretuse (secret_id, used_at, address)
SELECT s.id, clock_timestamp(), u.address::inet
FROM unnest(%s::uuid[], %s::text[]) AS u (id, address) JOIN keys_secret s ON s.id = u.id ORDER BY s.id
ON CONFLICT (secret_id) DO UPDATE SET used_at = excluded.used_at, address = excluded.address
"""


class LastUse:
    """Collects uses and writes those that are due. Times are seconds."""

    EVERY = 60.0
    PAUSE = 1.0

    def __init__(self) -> None:
        self._due: dict[UUID, str] = {}
        self._noted: dict[UUID, float] = {}
        self._written_at = -self.PAUSE

    def note(self, uses: Iterable[tuple[UUID, str]]) -> None:
        now = time.monotonic()
        for secret, address in uses:
            if now - self._noted.get(secret, -self.EVERY) >= self.EVERY:
                self._noted[secret] = now
                self._due[secret] = address

    @property
    def due(self) -> bool:
        return bool(self._due)

    @property
    def wait(self) -> float:
        """Seconds until the next write is due."""
        return max(self._written_at + self.PAUSE - time.monotonic(), 0.0)

    async def write(self, connection: AsyncConnection[Any]) -> None:
        now = time.monotonic()
        due, self._due, self._written_at = self._due, {}, now
        if len(self._noted) > 100_000:
            self._noted = {secret: at for secret, at in self._noted.items() if now - at < self.EVERY}
        secrets = sorted(due)
        await connection.execute(WRITE, (secrets, [due[secret] for secret in secrets]))
