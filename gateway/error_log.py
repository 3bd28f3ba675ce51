"""Log lines of the gateway, rate limited per cause: while the database is down, thousands of calls a second are
refused."""

from __future__ import annotations

import sys
import time
from typing import Any

import structlog

from gateway.limits import LOG_INTERVAL_SECONDS

log = structlog.get_logger("keyward.gateway")

# Errors need attention now, because calls are refused; warnings soon; the rest is information.
ERROR, WARNING, INFO = "error", "warning", "info"
# Above so many causes, all counts start again, so that memory is bounded.
MAX_CAUSES = 100

_last_logged: dict[tuple[str, str], float] = {}
_suppressed: dict[tuple[str, str], int] = {}


def report(
    level: str, event: str, error: BaseException | None = None, *, traceback: bool = False, **fields: Any
) -> None:
    """Log an event, at most once in LOG_INTERVAL_SECONDS for each event and kind of error.

    A line that follows suppressed ones has their number in `repeated`. `traceback` adds the traceback of the error, for
    errors that are bugs.
    """
    cause = (event, type(error).__name__ if error is not None else "")
    now = time.monotonic()
    if now - _last_logged.get(cause, -LOG_INTERVAL_SECONDS) < LOG_INTERVAL_SECONDS:
        _suppressed[cause] = _suppressed.get(cause, 0) + 1
        return
    if len(_last_logged) >= MAX_CAUSES:
        _last_logged.clear()
        _suppressed.clear()
    _last_logged[cause] = now
    if error is not None:
        fields = {"error": cause[1], "detail": _format_detail(error), **fields}
    if repeated := _suppressed.pop(cause, 0):
        fields["repeated"] = repeated
    if traceback:
        fields["exc_info"] = error or sys.exc_info()
    getattr(log, level)(event, **fields)


def _format_detail(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
