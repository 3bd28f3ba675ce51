"""Servers to measure, each a gunicorn of its own on a free port, with the CPU time of its workers."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import ROOT

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """What the workers have used so far; the master only watches them."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in children)
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICK


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(*, workers: int = 1) -> Iterator[Server]:
    """The gateway as `manage.py serve` starts it."""
    port = free_port()
    with _gunicorn(
        port,
        ["-c", "python:config.gunicorn_gateway", "--workers", str(workers), "config.gateway:application"],
        {"GATEWAY_PORT": str(port)},
        ready="/health/ready",
    ) as server:
        yield server


@contextmanager
def django_views(environment: dict[str, str]) -> Iterator[Server]:
    """The views of benchmarks/peers.py behind gunicorn's sync worker, one worker."""
    port = free_port()
    arguments = ["--worker-class", "sync", "--workers", "1", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    with _gunicorn(port, [*arguments, "benchmarks.peer_site:application"], environment, ready="/") as server:
        yield server


@contextmanager
def _gunicorn(port: int, arguments: list[str], environment: dict[str, str], *, ready: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--log-level", "error", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        start_new_session=True,
    )
    try:
        _wait(process, port, ready)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"the server on port {port} did not start")
