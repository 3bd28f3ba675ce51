"""Refusals that wait for each other (gateway/unauthenticated.py): released together, answered a few in each turn of the
event loop, because who is answered asks again, and a burst of questions would keep the other calls waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from gateway.limits import HELD_ANSWERS_PER_TURN, HOLD_SECONDS, MAX_HELD
from gateway.log_lines import ERROR, report
from gateway.waiting_call import Pending, Tell
from keys.decision.access import Api, Decision


class HeldRefusals:
    """`resume` takes the calls back into the queue."""

    def __init__(self, resume: Callable[[Sequence[Pending]], None]) -> None:
        self._resume = resume
        self._calls: list[Pending] = []
        self._timer: asyncio.TimerHandle | None = None
        self._answers: deque[Callable[[], None]] = deque()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._calls)

    def hold(self, calls: Sequence[Pending]) -> None:
        """Keep the calls for HOLD_SECONDS, or until there are MAX_HELD."""
        for pending in calls:
            pending.tell = partial(self._answer_in_turn, pending.tell)
        self._calls += calls
        if len(self._calls) >= MAX_HELD or self._stopping:
            self.release()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self.release)

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._calls = self._calls, []
        self._resume(calls)

    def stop(self) -> None:
        """Hold nothing from now on."""
        self._stopping = True
        self.release()

    def _answer_in_turn(self, tell: Tell, decision: Decision, api: Api | None) -> None:
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._answer_some)
        self._answers.append(partial(tell, decision, api))

    def _answer_some(self) -> None:
        for _ in range(min(HELD_ANSWERS_PER_TURN, len(self._answers))):
            try:
                self._answers.popleft()()
            except Exception as error:
                report(ERROR, "answer.failed", error, traceback=True)
        if self._answers:
            asyncio.get_running_loop().call_soon(self._answer_some)
