"""Request IDs: UUIDv7 (RFC 9562), made here and never adopted from outside."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID

# Random hexadecimal digits for the next IDs, so that one system call serves many. A forked child must not inherit them.
_RANDOM_POOL: list[str] = []
os.register_at_fork(after_in_child=_RANDOM_POOL.clear)


def generate_request_id() -> str:
    """Return a new UUIDv7 as text: 48 bits of Unix milliseconds and 74 random bits."""
    try:
        noise = _RANDOM_POOL.pop()
    except IndexError:
        block = os.urandom(10 * 256).hex()
        _RANDOM_POOL.extend(block[at : at + 20] for at in range(0, len(block), 20))
        noise = _RANDOM_POOL.pop()
    time_part = f"{time.time_ns() // 1_000_000:012x}"
    variant = "89ab"[int(noise[3], 16) & 3]
    return f"{time_part[:8]}-{time_part[8:]}-7{noise[:3]}-{variant}{noise[4:7]}-{noise[7:19]}"


def get_creation_time(request_id: UUID) -> datetime | None:
    """Return when a UUIDv7 was made, by the clock of its host; None for other versions."""
    if request_id.version != 7:
        return None
    return datetime.fromtimestamp((request_id.int >> 80) / 1000, UTC)
