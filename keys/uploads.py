"""A share of this process for reading what people upload: pages go on meanwhile, and no account takes it all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Of the threads of a portal process (config/serve/gunicorn_portal.py), which pages need too.
MAX_READERS = 2
# Instead of an account: what Support uploads for all of them.
SUPPORT = None
BUSY = "Another upload is being processed. Try again in a moment."

_lock = threading.Lock()
_reading: set[int | None] = set()


class Busy(ValueError):
    """The account, or everybody together, reads as many uploads as it may."""


@contextmanager
def reading(account_id: int | None) -> Iterator[None]:
    """Hold one of MAX_READERS places, one an account or SUPPORT. Raise Busy when there is none."""
    with _lock:
        if account_id in _reading or len(_reading) >= MAX_READERS:
            raise Busy(BUSY)
        _reading.add(account_id)
    try:
        yield
    finally:
        with _lock:
            _reading.discard(account_id)
