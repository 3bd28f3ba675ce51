"""Delays refusals so that they can share rows (gateway/unauthenticated.py). Their answers are spread over turns of the
event loop: each client that gets one may send its next request at once, and a burst of requests would delay other
calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from gateway.error_log import ERROR, report
from gateway.limits import DELAYED_REFUSALS_PER_TURN, MAX_DELAYED_REFUSALS, REFUSAL_DELAY_SECONDS
from gateway.waiting_call import OnDecision, WaitingCall
from keys.decision.access import Api, Decision


class DelayedRefusals:
    """Keeps refused calls for a while. `requeue` puts them back into the queue of the group commit."""

    def __init__(self, requeue: Callable[[Sequence[WaitingCall]], None]) -> None:
        self._requeue = requeue
        self._calls: list[WaitingCall] = []
        self._timer: asyncio.TimerHandle | None = None
        self._answers: deque[Callable[[], None]] = deque()
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, calls: Sequence[WaitingCall]) -> None:
        """Keep the calls for REFUSAL_DELAY_SECONDS, or until there are MAX_DELAYED_REFUSALS."""
        for waiting in calls:
            waiting.on_decision = partial(self._queue_answer, waiting.on_decision)
        self._calls += calls
        if len(self._calls) >= MAX_DELAYED_REFUSALS or self._is_stopping:
            self.release()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REFUSAL_DELAY_SECONDS, self.release)

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._calls = self._calls, []
        self._requeue(calls)

    def stop(self) -> None:
        """Release the calls, and delay none from now on."""
        self._is_stopping = True
        self.release()

    def _queue_answer(self, on_decision: OnDecision, decision: Decision, api: Api | None) -> None:
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._answer_some)
        self._answers.append(partial(on_decision, decision, api))

    def _answer_some(self) -> None:
        for _ in range(min(DELAYED_REFUSALS_PER_TURN, len(self._answers))):
            try:
                self._answers.popleft()()
            except Exception as error:
                report(ERROR, "answer.failed", error, traceback=True)
        if self._answers:
            asyncio.get_running_loop().call_soon(self._answer_some)
