"""A call that waits for its answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from keys.access import Api, Call, Decision, Presented, Proof, Secret

Decided = tuple[Decision, Api | None]


@dataclass(slots=True)
class Pending:
    """A call that waits for its answer. `refusal` is set when the request was refused before any key was looked for."""

    api_slug: str
    call: Call
    refusal: str
    answer: asyncio.Future[Decided]
    taken: float = field(default_factory=time.monotonic)
    api: Api | None = None
    presented: Presented | None = None
    secret: Secret | None = None
    # The proof whose nonce the call uses up, if it is allowed; and the old secret whose overlap it has ended.
    nonce: Proof | None = None
    ended: UUID | None = None

    def refuse(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_result((Decision(self.call, None, 0.0, reason), self.api))
