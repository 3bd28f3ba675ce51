"""A proxy's program for the time of a test, and the example API behind it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from examples.upstream import Handler, Server
from tests.gateways import ROOT
from tests.waiting import happens

DEPLOY = ROOT / "deploy"
READY_SECONDS = 20
NOTHING: Mapping[str, str] = MappingProxyType({})


def find(name: str) -> str | None:
    """Return the program beside this Python, where wheels put theirs, or wherever the system has it."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin")


@dataclass(frozen=True)
class Proxy:
    """One that runs: its kind, its port, and where it writes a line for each call."""

    kind: str
    port: int
    access_log: Path


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return a deployed file with a test's ports. What is not there exactly once is a changed file: look again."""
    for deployed, tested in changes.items():
        assert text.count(deployed) == 1, deployed
        text = text.replace(deployed, tested)
    return text


def ask_two_hosts(text: str, section: str, file: str, hosts: Sequence[str]) -> str:
    """Return a deployed file in which a file of deploy/two-hosts/ has taken the place of a section, for these addresses
    with ports."""
    instead = (DEPLOY / "two-hosts" / file).read_text()
    for number, host in enumerate(hosts, 1):
        assert f"192.0.2.{number}:8001" in instead
        instead = instead.replace(f"192.0.2.{number}:8001", host)
    text, count = re.subn(section, lambda match: instead, text, flags=re.DOTALL | re.MULTILINE)
    assert count == 1
    return text


@contextmanager
def folder(kind: str) -> Iterator[Path]:
    """Yield the folder that a proxy runs in; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"keyward-{kind}-") as name:
        yield Path(name)


@contextmanager
def running(command: list[str], where: Path, port: int, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Yield the program, from when it listens on `port` until the test is done with it, however that ends."""
    log = where / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=where,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_listening(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    def listens() -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        return False

    if not happens(lambda: process.poll() is not None or listens(), seconds=READY_SECONDS, interval=0.02) or (
        process.poll() is not None
    ):
        raise RuntimeError(f"{process.args!r} did not start: {log.read_text()[-4000:]}")


@contextmanager
def upstream() -> Iterator[int]:
    """Yield the port of the example API, which says in its answers what reached it."""
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield int(server.server_port)
        server.shutdown()
        thread.join()
