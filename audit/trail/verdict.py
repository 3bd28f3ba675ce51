"""What a verification found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from audit.trail import chain

# Of more problems than these the first are named.
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written, in words. `lasting` is what no repair can make good: events and calls;
    `evidence` is a hash of what is there now, so that a second change of the same place is another problem."""

    text: str
    lasting: bool = False
    evidence: str = ""

    @property
    def key(self) -> str:
        """What identifies the problem once somebody has acknowledged it."""
        return hashlib.sha256(f"{self.text}\n{self.evidence}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`events` is the last event that is good, with its `mac`; if anything is wrong with the trail, the last before
    it. `seals` is how many seals the log was held against, `unproven` how many can no longer be, because a month that
    they reach into was dropped by a version that kept nothing of the rest."""

    events: int
    mac: bytes
    problems: tuple[Problem, ...] = ()
    seals: int = 0
    unproven: int = 0

    @property
    def problem(self) -> str | None:
        """The first problem, in words."""
        return self.problems[0].text if self.problems else None


BEGINNING = Verdict(0, chain.FIRST_PREV)
