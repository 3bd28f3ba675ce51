"""Log lines of the gateway, bounded per cause: a database that is away refuses thousands of calls a second."""

from __future__ import annotations

import sys
import time
from typing import Any

import structlog

from gateway.limits import REPEAT_SECONDS

log = structlog.get_logger("keyward.gateway")

# Errors need somebody now, because calls are refused; warnings need somebody soon; the rest is for whoever looks.
ERROR, WARNING, INFO = "error", "warning", "info"
# More causes than this at once are not told apart.
MAX_CAUSES = 100

_said: dict[tuple[str, str], float] = {}
_left_out: dict[tuple[str, str], int] = {}


def report(
    level: str, event: str, error: BaseException | None = None, *, traceback: bool = False, **fields: Any
) -> None:
    """Log an event, at most once in REPEAT_SECONDS for each event and kind of error. A line that follows others which
    were left out says in `repeated` how many they were. `traceback`: with the error's, for what is a fault of ours."""
    cause = (event, type(error).__name__ if error is not None else "")
    now = time.monotonic()
    if now - _said.get(cause, -REPEAT_SECONDS) < REPEAT_SECONDS:
        _left_out[cause] = _left_out.get(cause, 0) + 1
        return
    if len(_said) >= MAX_CAUSES:
        _said.clear()
        _left_out.clear()
    _said[cause] = now
    if error is not None:
        fields = {"error": cause[1], "detail": _one_line(error), **fields}
    if repeated := _left_out.pop(cause, 0):
        fields["repeated"] = repeated
    if traceback:
        fields["exc_info"] = error or sys.exc_info()
    getattr(log, level)(event, **fields)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
