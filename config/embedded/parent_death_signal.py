"""End a process when its parent dies, even by `kill -9`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to_parent(parent: int) -> None:
    """Ask Linux to send SIGTERM when the parent dies. On other systems gunicorn's workers check from time to time."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent and os.getppid() != parent:
        # The parent died before the request.
        os.kill(os.getpid(), signal.SIGTERM)
