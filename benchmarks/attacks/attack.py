"""An attack, run in a process of its own with the lowest priority, because an attacker has another machine."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Uploader:
    """The upload form of a tenant, with the cookies of an Administrator."""

    path: str
    cookies: str


@dataclass(frozen=True)
class Target:
    """What an attacker knows. `secret` is the proxy's, because some attacks come through a proxy; `api_id` is a key's.
    The uploaders are tenants, with files of theirs."""

    gateway_port: int
    portal_port: int
    secret: str
    api_id: str
    uploaders: tuple[Uploader, ...]
    files: tuple[bytes, ...]


# One attempt or more; called again and again in each task.
Work = Callable[[Target, "Attempts"], Coroutine[Any, Any, None]]


class Attempts:
    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True)
class Attack:
    """`work` must be a module-level function; `tasks` of them run at once."""

    name: str
    work: Work
    tasks: int

    @contextmanager
    def run_in_background(self, target: Target) -> Iterator[Any]:
        """Run the attack within; yield the shared count of its attempts."""
        context = multiprocessing.get_context("spawn")
        count, ready, stop = context.Value("q", 0), context.Event(), context.Event()
        process = context.Process(target=_attack, args=(self, target, count, ready, stop), daemon=True)
        process.start()
        try:
            if not ready.wait(30):
                raise SystemExit(f"{self.name}: the attack did not begin")
            # Let the first burst pass: what the attack has at first is not what it keeps.
            time.sleep(0.2)
            yield count
        finally:
            stop.set()
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()


def _attack(attack: Attack, target: Target, count: Any, ready: Any, stop: Any) -> None:
    os.nice(19)
    asyncio.run(_run(attack, target, count, ready, stop))


async def _run(attack: Attack, target: Target, count: Any, ready: Any, stop: Any) -> None:
    attempts = Attempts()

    async def again() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await attack.work(target, attempts)
            # An attack that is refused at once would otherwise only busy its own machine.
            await asyncio.sleep(0.001)

    tasks = [asyncio.create_task(again()) for _ in range(attack.tasks)]
    ready.set()
    while not stop.is_set():
        await asyncio.sleep(0.05)
        count.value = attempts.count
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
