"""The last verification in brief, by which readiness, metrics and `keyward doctor` know when `maintain` last ran.

It does not check the state's MAC, and an unreadable state raises nothing; audit.trail.verification_state does both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

# The text that `parse_last_verification` takes, or NULL.
STATE_QUERY = "SELECT body FROM audit_verification"
# `maintain` runs every hour and ends with a verification: it is late when it missed two runs.
MAINTAIN_LATE_SECONDS = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class LastVerification:
    """`at` is in Unix seconds, None before the first one; `findings` counts those that nobody has acknowledged."""

    at: float | None = None
    findings: int = 0

    def is_late(self, now: float) -> bool:
        """Return whether `maintain` missed two runs, of which none before the first counts."""
        return self.at is not None and now - self.at > MAINTAIN_LATE_SECONDS


def parse_last_verification(body: str | None) -> LastVerification:
    """Return what the state says. One that is unreadable has no time and one finding."""
    if body is None:
        return LastVerification()
    try:
        content = json.loads(body)
        return LastVerification(datetime.fromisoformat(content["at"]).timestamp(), len(content["findings"]))
    except (ValueError, KeyError, TypeError):
        return LastVerification(None, 1)
