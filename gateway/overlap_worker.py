"""The first allowed use of a new secret, where that ends the old one's overlap: a slow path of its own, once a change.

The old secret is retired, with its event in the trail, before the call that did it is decided; if that cannot be done,
the call is refused. How it is done is handed in (config/serve/gateway.py), because the gateway itself writes no trail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

# Ends the old secret (its row) on behalf of a client (address, request ID); blocks. Nothing to do is no error.
EndOverlap = Callable[[UUID, str, str], None]


class OverlapWorker:
    """At most one end at a time, and one for each old secret however many calls ask for it."""

    def __init__(self, end: EndOverlap | None = None) -> None:
        self._end = end
        self._thread = ThreadPoolExecutor(1, "overlap")
        self._ending: dict[UUID, asyncio.Future[None]] = {}

    async def end(self, old: UUID, address: str, request_id: str, *, timeout_seconds: float) -> None:
        """Raises whatever kept it from being done in time."""
        if self._end is None:
            raise RuntimeError("this gateway cannot end an overlap")
        ending = self._ending.get(old)
        if ending is None:
            loop = asyncio.get_running_loop()
            ending = self._ending[old] = loop.run_in_executor(self._thread, self._end, old, address, request_id)
            ending.add_done_callback(lambda _: self._ending.pop(old))
        # Whoever gives up must not end it for the others.
        await asyncio.wait_for(asyncio.shield(ending), timeout_seconds)
