"""Load by wrk: one thread, many connections, credentials in turn. Without wrk, a simple client in Python."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

WRK = shutil.which("wrk")

SCRIPT = """
local requests, at = {}, 0
function init(args)
    for authorization in io.lines(args[1]) do
        wrk.headers["Authorization"] = authorization
        requests[#requests + 1] = wrk.format("GET", args[2])
    end
end
function request()
    at = at %% #requests + 1
    return requests[at]
end
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\\n{"answers": %%d, "seconds": %%f, "refused": %%d, "failed": %%d, "p50": %%f, "p99": %%f}\\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
%s
"""


@dataclass(frozen=True)
class Load:
    """The result of a round: all answers, those other than 2xx, failed exchanges, and latency in milliseconds."""

    answers: int
    seconds: float
    refused: int
    failed: int
    p50: float
    p99: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


def load(
    port: int,
    path: str,
    *,
    authorizations: Sequence[str],
    headers: dict[str, str],
    seconds: float,
    connections: int = 64,
) -> Load:
    if WRK is None:
        return asyncio.run(_plain_load(port, path, authorizations, headers, seconds, connections))
    lines = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script, tempfile.NamedTemporaryFile("w") as file:
        script.write(SCRIPT % lines)
        file.write("\n".join(authorizations))
        script.flush()
        file.flush()
        ran = subprocess.run(
            [
                *(WRK, "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", script.name, f"http://127.0.0.1:{port}"),
                *("--", file.name, path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return Load(**json.loads(ran.stdout.strip().splitlines()[-1]))


async def _plain_load(
    port: int, path: str, authorizations: Sequence[str], headers: dict[str, str], seconds: float, connections: int
) -> Load:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}Authorization: {value}\r\n\r\n".encode() for value in authorizations
    ]
    took: list[float] = []
    refused = failed = 0
    start = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal refused, failed
        reader = writer = None
        while (began := time.perf_counter()) < start + seconds:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(requests[(number + len(took)) % len(requests)])
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, length = head.partition(b"content-length:")
                await reader.readexactly(int(length.split(b"\r\n", 1)[0] or 0))
                if b"connection: close" in head:
                    writer.close()
                    reader = None
            except (OSError, asyncio.IncompleteReadError):
                failed += 1
                reader = None
                continue
            refused += head[9:10] != b"2"
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(one(number) for number in range(connections)))
    took.sort()
    return Load(
        answers=len(took),
        seconds=time.perf_counter() - start,
        refused=refused,
        failed=failed,
        p50=took[len(took) // 2] * 1000,
        p99=took[len(took) * 99 // 100] * 1000,
    )
