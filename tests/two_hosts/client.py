"""The clients of a test: a process on the proxies' host that asks about calls at a steady rate, through the balancer,
and opens a page of the portal now and then.

`Sample` is what came of one question.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tests.json_process import JsonProcess, json_process

TIMEOUT_SECONDS = 6.0


class Sample(NamedTuple):
    """`result` is a status with its refusal, as `403 unavailable`, or the name of an error; `began` is of the system's
    monotonic clock."""

    kind: str
    began: float
    seconds: float
    result: str
    request_id: str


class Client:
    def __init__(self, process: JsonProcess) -> None:
        self._process = process

    def ask(self, kind: str, address: str, request: bytes, rate: float) -> None:
        """Send this request from now on, `rate` times a second, each on a connection of its own."""
        self._process.call("ask", [kind, address, request.decode("latin-1"), rate])

    def stop(self, kind: str) -> None:
        self._process.call("stop", kind)

    def take(self, since: float = 0.0) -> list[Sample]:
        """Return what came of all questions that began since then and have ended."""
        return [Sample(*each) for each in self._process.call("take", since)]

    def get(self, address: str, path: str) -> tuple[int, str]:
        """Return status and body; status 0 if there is no answer."""
        status, body = self._process.call("get", [address, path])
        return int(status), str(body)

    def exchange(self, address: str, request: bytes) -> tuple[str, str]:
        """Send one request; return status and refusal, as in samples, and everything that was answered."""
        result, answer = self._process.call("exchange", [address, request.decode("latin-1")])
        return str(result), str(answer)


@contextmanager
def client(prefix: Sequence[str]) -> Iterator[Client]:
    with json_process("tests.two_hosts.client", prefix=prefix) as process:
        yield Client(process)


async def exchange(address: str, request: bytes) -> tuple[str, str, str]:
    """Return a sample's result and request ID, and the answer."""
    host, _, port = address.rpartition(":")
    writer = None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
            }
            length = headers.get("content-length")
            content = await (reader.read() if length is None else reader.readexactly(int(length)))
            body = content.decode(errors="replace")
            result = f"{head.split(' ')[1]} {headers.get('x-refusal', '')}".strip()
            return result, headers.get("x-request-id", ""), f"{head}{body}"
    except (OSError, EOFError, TimeoutError) as error:
        return type(error).__name__, "", ""
    finally:
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def serve() -> None:
    samples: list[Sample] = []
    asking: dict[str, asyncio.Task[None]] = {}
    questions: set[asyncio.Task[None]] = set()

    async def one(kind: str, address: str, request: bytes) -> None:
        began = time.monotonic()
        result, request_id, _ = await exchange(address, request)
        samples.append(Sample(kind, began, time.monotonic() - began, result, request_id))

    async def steadily(kind: str, address: str, request: bytes, rate: float) -> None:
        at = time.monotonic()
        while True:
            question = asyncio.create_task(one(kind, address, request))
            questions.add(question)
            question.add_done_callback(questions.discard)
            at = max(at + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(at - time.monotonic())

    async def ask(argument: Any) -> None:
        kind, address, request, rate = argument
        asking[kind] = asyncio.create_task(steadily(kind, address, request.encode("latin-1"), rate))

    async def stop(kind: str) -> None:
        asking.pop(kind).cancel()

    async def take(since: float) -> list[Sample]:
        return [sample for sample in samples if sample.began >= since]

    async def get(argument: Any) -> tuple[int, str]:
        address, path = argument
        request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        result, _, answer = await exchange(address, request)
        status = result.split(" ")[0]
        return (int(status) if status.isdigit() else 0), answer.partition("\r\n\r\n")[2]

    async def exchange_once(argument: Any) -> tuple[str, str]:
        address, request = argument
        result, _, answer = await exchange(address, request.encode("latin-1"))
        return result, answer

    calls: dict[str, Callable[[Any], Any]]
    calls = {"ask": ask, "stop": stop, "take": take, "get": get, "exchange": exchange_once}
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        name, argument = json.loads(line)
        sys.stdout.write(json.dumps(await calls[name](argument)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
