"""A call that waits for its decision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.error_log import ERROR, report
from keys.decision.access import Api, Call, Decision, PresentedCredential, Proof, Secret

# Called with the decision, and the API by which it was made.
OnDecision = Callable[[Decision, Api | None], None]


@dataclass(slots=True)
class WaitingCall:
    """A call in the queue of the group commit. `refusal` is the reason if the request was refused before a key was
    looked up."""

    api_slug: str
    call: Call
    refusal: str
    on_decision: OnDecision
    received_at: float = field(default_factory=time.monotonic)
    api: Api | None = None
    presented: PresentedCredential | None = None
    secret: Secret | None = None
    # The proof whose nonce the call uses up if it is allowed, and the old secret whose overlap it has ended.
    nonce: Proof | None = None
    ended_overlap: UUID | None = None
    is_answered: bool = False
    # Whether it was counted among the unauthenticated calls of its second (gateway/unauthenticated.py).
    is_counted: bool = False
    # Whether it has waited for others (gateway/delayed_refusals.py).
    is_delayed: bool = False

    def answer(self, decision: Decision) -> None:
        """Answer the call, unless it was answered before. Errors are logged: they must not affect the other calls of
        the batch."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self.on_decision(decision, self.api)
        except Exception as error:
            report(ERROR, "answer.failed", error, traceback=True)

    def refuse(self, reason: str) -> None:
        """Answer the call with a refusal for this reason."""
        self.answer(Decision(self.call, None, 0.0, reason))


def collect_public_ids(calls: Iterable[WaitingCall]) -> set[str]:
    """Return the API IDs that the calls present, before it is known which credential of a call counts."""
    public_ids = set()
    for waiting in calls:
        call = waiting.call
        if call.presented is not None:
            public_ids.add(call.presented.public_id)
        if call.link is not None:
            public_ids.add(call.link.public_id)
    return public_ids


def answer_all(decisions: Iterable[tuple[WaitingCall, Decision]]) -> None:
    for waiting, decision in decisions:
        waiting.answer(decision)
