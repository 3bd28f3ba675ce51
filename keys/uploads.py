"""A share of this process for reading what people upload: pages go on meanwhile, and no account takes it all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Of the threads of a portal process (config/serve/gunicorn_portal.py), which pages need too.
MAX_READERS = 2
# Instead of an account: what Support uploads for all of them.
SUPPORT = None
BUSY_MESSAGE = "Another upload is being processed. Try again in a moment."

_lock = threading.Lock()
_active_readers: set[int | None] = set()


class TooManyUploads(ValueError):
    """The account, or everybody together, reads as many uploads as it may."""


@contextmanager
def acquire_reader(account_id: int | None) -> Iterator[None]:
    """Hold one of MAX_READERS places, one an account or SUPPORT. Raise Busy when there is none."""
    with _lock:
        if account_id in _active_readers or len(_active_readers) >= MAX_READERS:
            raise TooManyUploads(BUSY_MESSAGE)
        _active_readers.add(account_id)
    try:
        yield
    finally:
        with _lock:
            _active_readers.discard(account_id)
