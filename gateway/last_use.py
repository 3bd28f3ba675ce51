"""When and from where each secret was last allowed: after the answers, sorted, at most once a minute a secret and
address."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

# A secret's row tells of so many addresses, the most recent ones.
MAX_ADDRESSES = 10

# Secrets before their uses, as everyone locks them: whoever holds a secret finds its use free. One that another process
# is writing, or that somebody is about to destroy, is passed over, because calls would wait with it.
WRITE = f"""
WITH held AS MATERIALIZED (
    SELECT id FROM keys_secret WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
INSERT INTO keys_secretuse (secret_id, used_at, address, addresses)
SELECT held.id, moment.at, (u.addresses ->> -1)::inet,
    (SELECT jsonb_object_agg(address, moment.at) FROM jsonb_array_elements_text(u.addresses) address)
FROM (SELECT clock_timestamp() AS at) moment,
    unnest(%s::uuid[], %s::jsonb[]) AS u (id, addresses) JOIN held ON held.id = u.id ORDER BY held.id
ON CONFLICT (secret_id) DO UPDATE SET used_at = excluded.used_at, address = excluded.address, addresses = (
    SELECT jsonb_object_agg(address, at) FROM (
        SELECT address, at FROM jsonb_each(keys_secretuse.addresses || excluded.addresses) AS one (address, at)
        ORDER BY (at #>> '{{}}')::timestamptz DESC LIMIT {MAX_ADDRESSES}) latest)
RETURNING secret_id
"""


class LastUse:
    """Collects uses and writes those that are due. Times are seconds."""

    EVERY = 60.0
    PAUSE = 1.0
    # So many secrets at once: the next batch of calls waits while they are written.
    MAX_USES = 100

    def __init__(self) -> None:
        self._due: dict[UUID, list[str]] = {}
        self._passed_over: set[UUID] = set()
        self._noted: dict[UUID, dict[str, float]] = {}
        self._written_at = -self.PAUSE

    def note(self, uses: Iterable[tuple[UUID, str]]) -> None:
        """A secret that is used from more addresses than are kept is noted from the first of each minute."""
        now = time.monotonic()
        for secret, address in uses:
            noted = self._noted.get(secret)
            if noted is None:
                noted = self._noted[secret] = {}
            elif now - noted.get(address, -self.EVERY) < self.EVERY:
                continue
            if len(noted) >= MAX_ADDRESSES and address not in noted:
                oldest = min(noted, key=noted.__getitem__)
                if now - noted[oldest] < self.EVERY:
                    continue
                del noted[oldest]
            noted[address] = now
            self._due.setdefault(secret, []).append(address)

    @property
    def due(self) -> bool:
        return bool(self._due)

    @property
    def wait(self) -> float:
        """Seconds until the next write is due."""
        return max(self._written_at + self.PAUSE - time.monotonic(), 0.0)

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Those that are due, or as many of them as go at once; who is passed over has a second turn."""
        now = time.monotonic()
        due = {secret: self._due.pop(secret) for secret in list(islice(self._due, self.MAX_USES))}
        if not self._due:
            self._written_at = now
        if len(self._noted) > 100_000:
            self._noted = {
                secret: noted for secret, noted in self._noted.items() if now - max(noted.values()) < self.EVERY
            }
        secrets = sorted(due)
        cursor = await connection.execute(WRITE, (secrets, secrets, [Jsonb(due[secret]) for secret in secrets]))
        passed_over = due.keys() - {secret for (secret,) in await cursor.fetchall()} - self._passed_over
        self._passed_over = (self._passed_over - due.keys()) | passed_over
        for secret in passed_over:
            self._due[secret] = [*due[secret], *self._due.get(secret, ())]
