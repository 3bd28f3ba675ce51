"""The ready signal of a successor: it writes to a pipe of the supervisor once it can take over. Until then it accepts
no request, and the previous process goes on."""

from __future__ import annotations

import contextlib
import os

VARIABLE = "KEYWARD_READY_FD"


def is_awaited() -> bool:
    """Return whether this process is a successor that has not signalled yet."""
    return bool(os.environ.get(VARIABLE))


def announce_ready() -> None:
    """Write to the supervisor's pipe, once per process; do nothing if nobody waits."""
    descriptor = os.environ.pop(VARIABLE, "")
    if descriptor:
        with contextlib.suppress(OSError, ValueError):
            os.write(int(descriptor), b"+")
            os.close(int(descriptor))
