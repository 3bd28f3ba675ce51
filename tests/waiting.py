"""Wait for what another process or thread does, by looking again and again: for where nothing says when it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
HOUR = timedelta(hours=1)


def wait_until(
    condition: Callable[[], T], *, seconds: float = 30, interval: float = 0.05, describe: Callable[[], object] = str
) -> T:
    """Return what the condition returns as soon as it is true. Raise AssertionError with a description when the time is
    over."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {describe()}"
        time.sleep(interval)
    return result


def happens(condition: Callable[[], object], *, seconds: float = 30, interval: float = 0.05) -> bool:
    """Return whether the condition becomes true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


async def wait_in_loop_until(condition: Callable[[], object], *, seconds: float = 30, interval: float = 0.01) -> None:
    """Let the event loop go on until the condition is true. Raise TimeoutError when the time is over."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(interval)


def wait_for_lasting_hour(seconds: float = 90) -> datetime:
    """Return the beginning of the hour, in UTC, which lasts so long; wait for the next one if it does not."""
    while True:
        now = datetime.now(UTC)
        began = now.replace(minute=0, second=0, microsecond=0)
        if (left := (began + HOUR - now).total_seconds()) >= seconds:
            return began
        time.sleep(left)
