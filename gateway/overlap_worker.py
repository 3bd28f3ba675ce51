"""Ends the overlap of an old secret at the first allowed use of the new one: a slow path, taken once for each rotation.

The old secret is retired, with its audit event, before the call is decided; if that fails, the call is refused. The
function that does it is injected (config/serve/gateway.py), because the gateway writes no audit trail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from gateway.error_log import ERROR, report
from gateway.waiting_call import WaitingCall
from keys.decision.access import Secret

# Ends the old secret (its row) on behalf of a client (address, request ID); blocks. It is no error if nothing is to be
# done.
EndOverlap = Callable[[UUID, str, str], None]


class OverlapWorker:
    """Ends one overlap at a time in a thread; calls that end the same one share the result."""

    def __init__(self, end: EndOverlap | None = None) -> None:
        self._end = end
        self._thread = ThreadPoolExecutor(1, "overlap")
        self._ending: dict[UUID, asyncio.Future[None]] = {}

    async def end(self, old: UUID, address: str, request_id: str, *, timeout_seconds: float) -> None:
        """End the overlap of the old secret, on behalf of a client. Raise TimeoutError, or what the function raises."""
        if self._end is None:
            raise RuntimeError("this gateway cannot end an overlap")
        ending = self._ending.get(old)
        if ending is None:
            loop = asyncio.get_running_loop()
            ending = self._ending[old] = loop.run_in_executor(self._thread, self._end, old, address, request_id)
            ending.add_done_callback(lambda _: self._ending.pop(old))
        # A caller that times out must not cancel it for the others.
        await asyncio.wait_for(asyncio.shield(ending), timeout_seconds)

    async def end_for(self, waiting: WaitingCall, old: Secret, *, timeout_seconds: float) -> None:
        """End the overlap that the call ends; if that fails, refuse the call."""
        call = waiting.call
        try:
            await self.end(old.id, str(call.client_address), call.request_id, timeout_seconds=timeout_seconds)
        except Exception as error:
            report(ERROR, "overlap.not_ended", error)
            waiting.refuse("unavailable")
        else:
            waiting.ended_overlap = old.id
