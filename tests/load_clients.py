"""Clients that call a gateway over keep-alive connections, as a proxy does, counting statuses and failures."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress


async def ask_until(
    port: int,
    question: bytes,
    stop: Callable[[int], bool],
    *,
    connections: int = 8,
    pause: float = 0.0,
    durations: list[float] | None = None,
) -> Counter[str]:
    """Ask over each connection until `stop(answers so far)`; return how often each status, or kind of failure, came.

    A connection is opened anew when an answer closed it. A question is never asked twice: one that gets no answer has
    failed. Each connection waits `pause` seconds between two questions. `durations` gets the seconds of each answer.
    """
    counted: Counter[str] = Counter()

    async def ask() -> None:
        reader = writer = None
        while not stop(sum(counted.values())):
            try:
                if writer is not None and reader is not None and reader.at_eof():
                    writer.close()
                    writer = None
                if writer is None or reader is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                began = time.monotonic()
                writer.write(question)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                counted[head.split(b" ")[1].decode()] += 1
                if durations is not None:
                    durations.append(time.monotonic() - began)
                if b"connection: close" in head.lower():
                    writer.close()
                    writer = None
            except (OSError, EOFError, TimeoutError) as error:
                counted[repr(error)] += 1
                if writer is not None:
                    writer.close()
                writer = None
            await asyncio.sleep(pause)
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    await asyncio.gather(*(ask() for _ in range(connections)))
    return counted
