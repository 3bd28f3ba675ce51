"""Records when and from where each secret was last used, after the answers and at most once a minute for each secret
and address."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

# Addresses kept for each secret, the most recent ones.
MAX_ADDRESSES = 10

# Locks secrets before their uses, as everything else does. Rows that another process has locked are skipped, because
# calls would wait with this statement.
UPSERT = f"""
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


class LastUses:
    """Collects uses of secrets and writes those that are due."""

    INTERVAL_SECONDS = 60.0
    PAUSE_SECONDS = 1.0
    # Secrets in one statement: the next batch of calls waits for it.
    MAX_USES = 100

    def __init__(self) -> None:
        self._due: dict[UUID, list[str]] = {}
        self._skipped: set[UUID] = set()
        self._recorded_at: dict[UUID, dict[str, float]] = {}
        self._written_at = -self.PAUSE_SECONDS

    def add(self, uses: Iterable[tuple[UUID, str]]) -> None:
        """Add allowed uses, as (secret, address). Of more than MAX_ADDRESSES in a minute, the first ones are kept."""
        now = time.monotonic()
        for secret, address in uses:
            recorded_at = self._recorded_at.get(secret)
            if recorded_at is None:
                recorded_at = self._recorded_at[secret] = {}
            elif now - recorded_at.get(address, -self.INTERVAL_SECONDS) < self.INTERVAL_SECONDS:
                continue
            if len(recorded_at) >= MAX_ADDRESSES and address not in recorded_at:
                oldest = min(recorded_at, key=recorded_at.__getitem__)
                if now - recorded_at[oldest] < self.INTERVAL_SECONDS:
                    continue
                del recorded_at[oldest]
            recorded_at[address] = now
            self._due.setdefault(secret, []).append(address)

    @property
    def is_due(self) -> bool:
        return bool(self._due)

    @property
    def seconds_until_due(self) -> float:
        """Seconds until the next write is due."""
        return max(self._written_at + self.PAUSE_SECONDS - time.monotonic(), 0.0)

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Write at most MAX_USES secrets. One that is locked is tried a second time with the next write."""
        now = time.monotonic()
        is_due = {secret: self._due.pop(secret) for secret in list(islice(self._due, self.MAX_USES))}
        if not self._due:
            self._written_at = now
        if len(self._recorded_at) > 100_000:
            self._recorded_at = {
                secret: recorded_at
                for secret, recorded_at in self._recorded_at.items()
                if now - max(recorded_at.values()) < self.INTERVAL_SECONDS
            }
        secrets = sorted(is_due)
        cursor = await connection.execute(UPSERT, (secrets, secrets, [Jsonb(is_due[secret]) for secret in secrets]))
        skipped = is_due.keys() - {secret for (secret,) in await cursor.fetchall()} - self._skipped
        self._skipped = (self._skipped - is_due.keys()) | skipped
        for secret in skipped:
            self._due[secret] = [*is_due[secret], *self._due.get(secret, ())]
