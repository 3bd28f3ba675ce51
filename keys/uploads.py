"""Limit what a process spends on parsing uploads, so that pages stay responsive and no account uses all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Uploads that are parsed (one at a time) or wait; each holds one of the 8 threads of a portal process, which also serve
# pages (config/serve/gunicorn_portal.py).
MAX_UPLOADS = 4
WAIT_TIMEOUT_SECONDS = 2.0
MAX_THROTTLE_SECONDS = 1.0
# Used instead of an account ID for Support's uploads, which belong to no account.
SUPPORT = None
BUSY_MESSAGE = "Another upload is being processed. Try again in a moment."

_lock = threading.Lock()
_reading = threading.Lock()
_accounts: set[int | None] = set()


class TooManyUploads(ValueError):
    """The account, or all accounts together, are already parsing as many uploads as allowed."""


@contextmanager
def acquire_reader(account_id: int | None) -> Iterator[Callable[[], None]]:
    """Wait for the one place to parse an upload, and hold it. Yield a function that sleeps for as long as the thread
    has used the CPU since; it is called at the end too.

    Raise TooManyUploads if the account (or SUPPORT) has an upload that is parsed or waits, if MAX_UPLOADS are, or after
    WAIT_TIMEOUT_SECONDS.
    """
    with _lock:
        if account_id in _accounts or len(_accounts) >= MAX_UPLOADS:
            raise TooManyUploads(BUSY_MESSAGE)
        _accounts.add(account_id)
    try:
        if not _reading.acquire(timeout=WAIT_TIMEOUT_SECONDS):
            raise TooManyUploads(BUSY_MESSAGE)
        throttle = _build_throttle()
        try:
            yield throttle
        finally:
            throttle()
            _reading.release()
    finally:
        with _lock:
            _accounts.discard(account_id)


def _build_throttle() -> Callable[[], None]:
    used = time.thread_time()

    def throttle() -> None:
        nonlocal used
        time.sleep(min(time.thread_time() - used, MAX_THROTTLE_SECONDS))
        used = time.thread_time()

    return throttle
