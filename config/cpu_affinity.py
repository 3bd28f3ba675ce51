"""CPU cores that a process may use. Standard library only, as config/embedded/server.py."""

from __future__ import annotations

import os
from contextlib import suppress


def get_usable_cores() -> list[int]:
    """Return the cores that this thread may run on; none where the system does not say (macOS)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def bind_to_cores(process: int, cores: list[int]) -> None:
    """Bind a process to these cores; 0 is this thread. Do nothing where the system refuses."""
    if cores:
        with suppress(OSError):
            os.sched_setaffinity(process, cores)
