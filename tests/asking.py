"""Clients that ask a gateway again and again over connections that they keep, as a proxy does, and count what fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress


async def ask_until(port: int, question: bytes, stop: Callable[[int], bool], *, connections: int = 8) -> Counter[str]:
    """Ask over each connection until `stop(answers so far)`; return how often each status, or kind of failure, came.

    A connection is opened anew when an answer closed it. A question is never asked twice: one that gets no answer has
    failed.
    """
    counted: Counter[str] = Counter()

    async def ask() -> None:
        reader = writer = None
        while not stop(sum(counted.values())):
            try:
                if writer is None or reader is None or reader.at_eof():
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(question)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                counted[head.split(b" ")[1].decode()] += 1
                if b"connection: close" in head.lower():
                    writer.close()
                    writer = None
            except (OSError, EOFError, TimeoutError) as error:
                counted[repr(error)] += 1
                writer = None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    await asyncio.gather(*(ask() for _ in range(connections)))
    return counted
