"""Wait for what another process or thread does, by looking again and again: for where nothing says when it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
