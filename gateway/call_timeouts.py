"""Refuse calls that have waited too long, wherever they wait, by a timer that depends on nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from gateway.limits import CALL_TIMEOUT_SECONDS
from gateway.waiting_call import WaitingCall

# Between two looks at the calls, while any waits: one timer is cheaper than one a call.
INTERVAL_SECONDS = 0.1


class CallTimeouts:
    """The calls that may still wait, oldest first. `on_timeout` is called after some were refused."""

    def __init__(self, on_timeout: Callable[[], None]) -> None:
        self._on_timeout = on_timeout
        self._calls: deque[WaitingCall] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: WaitingCall) -> None:
        self._calls.append(waiting)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._refuse_timed_out)

    def _refuse_timed_out(self) -> None:
        oldest, is_refused = time.monotonic() - CALL_TIMEOUT_SECONDS, False
        while self._calls and (self._calls[0].is_answered or self._calls[0].received_at <= oldest):
            waiting = self._calls.popleft()
            is_refused = is_refused or not waiting.is_answered
            waiting.refuse("unavailable")
        self._timer = None
        if self._calls:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._refuse_timed_out)
        if is_refused:
            self._on_timeout()
