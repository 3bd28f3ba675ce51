"""Limit how many uploads a process parses at once, so that pages stay responsive and no account uses all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Of the threads of a portal process (config/serve/gunicorn_portal.py), which also serve pages.
MAX_READERS = 2
# Used instead of an account ID for Support's uploads, which belong to no account.
SUPPORT = None
BUSY_MESSAGE = "Another upload is being processed. Try again in a moment."

_lock = threading.Lock()
_active_readers: set[int | None] = set()


class TooManyUploads(ValueError):
    """The account, or all accounts together, are already parsing as many uploads as allowed."""


@contextmanager
def acquire_reader(account_id: int | None) -> Iterator[None]:
    """Hold one of MAX_READERS places; an account or SUPPORT can hold one. Raise TooManyUploads if none is free."""
    with _lock:
        if account_id in _active_readers or len(_active_readers) >= MAX_READERS:
            raise TooManyUploads(BUSY_MESSAGE)
        _active_readers.add(account_id)
    try:
        yield
    finally:
        with _lock:
            _active_readers.discard(account_id)
