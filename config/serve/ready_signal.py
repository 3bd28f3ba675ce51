"""How a process that is to take over from another tells the supervisor that it can: it writes to a pipe that it was
given. Until then it takes no request, and the other one goes on."""

from __future__ import annotations

import contextlib
import os

VARIABLE = "KEYWARD_READY_FD"


def is_awaited() -> bool:
    """Return whether this process is to take over from another, and has not said that it can."""
    return bool(os.environ.get(VARIABLE))


def announce_ready() -> None:
    """Write to the supervisor's pipe, once a process; do nothing where nobody waits for it."""
    given = os.environ.pop(VARIABLE, "")
    if given:
        with contextlib.suppress(OSError, ValueError):
            os.write(int(given), b"+")
            os.close(int(given))
