"""The filters of the log and the trail. Strict: a value or a name that means nothing is an error, never "no filter"."""

from __future__ import annotations

from audit.filters.base import LogFilter
from audit.filters.calls import CallFilter, CallPageFilter, CallTailFilter
from audit.filters.digests import DigestFilter
from audit.filters.events import EventFilter, EventPageFilter

__all__ = [
    "CallFilter",
    "CallPageFilter",
    "CallTailFilter",
    "DigestFilter",
    "EventFilter",
    "EventPageFilter",
    "LogFilter",
]
