"""The result of a verification."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from audit.trail import chain

# Further problems are not named.
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was tampered with, in words. `lasting` if it cannot be repaired, as events and calls; `evidence`
    is a hash of what was found, so that another change in the same place is a different problem."""

    text: str
    lasting: bool = False
    evidence: str = ""

    @property
    def key(self) -> str:
        """The problem's identity, by which it is accepted once it was acknowledged."""
        return hashlib.sha256(f"{self.text}\n{self.evidence}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`events` is the place of the last good event before any problem, `mac` its MAC. `seals` and `unproven` are those
    of audit.calls.seal_check.LogCheck."""

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
