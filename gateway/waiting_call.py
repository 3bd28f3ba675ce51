"""A call that waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.error_log import ERROR, report
from keys.decision.access import Api, Call, Decision, PresentedCredential, Proof, Secret

# Takes a call's decision, and the API that it was made under.
OnDecision = Callable[[Decision, Api | None], None]


@dataclass(slots=True)
class WaitingCall:
    """A call that waits for its answer. `refusal` is set when the request was refused before any key was looked for."""

    api_slug: str
    call: Call
    refusal: str
    on_decision: OnDecision
    received_at: float = field(default_factory=time.monotonic)
    api: Api | None = None
    presented: PresentedCredential | None = None
    secret: Secret | None = None
    # The proof whose nonce the call uses up, if it is allowed; and the old secret whose overlap it has ended.
    nonce: Proof | None = None
    ended_overlap: UUID | None = None
    is_answered: bool = False
    # Among the unauthenticated refusals of its second it has been counted (gateway/unauthenticated.py).
    is_counted: bool = False

    def answer(self, decision: Decision) -> None:
        """The first answer counts. What fails in giving it must not touch the other calls of a batch."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self.on_decision(decision, self.api)
        except Exception as error:
            report(ERROR, "answer.failed", error, traceback=True)

    def refuse(self, reason: str) -> None:
        self.answer(Decision(self.call, None, 0.0, reason))
