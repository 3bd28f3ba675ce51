"""Real gateways for tests: gunicorn and the gateway's worker over their database, and a small client that asks them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.conninfo import make_conninfo

from gateway.group_commit import GroupCommit
from gateway.http.http_limits import IDLE_TIMEOUT_SECONDS
from keys.decision.access import Call, Decision
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
SECRET = "gateway-secret-of-the-tests"


def conninfo(alias: str = "default") -> str:
    """How to reach the tests' database from another process."""
    parameters = connections[alias].get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    return make_conninfo(**{name: str(parameters[name]) for name in wanted if parameters.get(name)})


def wait_for_lock() -> None:
    """Return once a statement of the application waits for a lock, which its own role alone can see."""
    _wait_for_activity("EXISTS (SELECT FROM others WHERE wait_event_type = 'Lock')")


def wait_for_statements() -> None:
    """Return once no statement of the application runs, so that what a killed process began is done or undone."""
    _wait_for_activity("NOT EXISTS (SELECT FROM others WHERE state <> 'idle')")


def _wait_for_activity(condition: str) -> None:
    others = "SELECT * FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(conninfo(), autocommit=True) as looking:
        statement = f"WITH others AS ({others}) SELECT {condition}"
        wait_until(lambda: looking.execute(statement).fetchone() == (True,))


def decision_of(batch: GroupCommit, api_slug: str, call: Call) -> asyncio.Future[Decision]:
    """Of a call that is asked about now."""
    decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
    batch.submit(api_slug, call, "", lambda decision, _: decided.set_result(decision))
    return decided


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningGateway:
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    log: Path
    logs_to_file: bool = True

    def workers(self) -> list[int]:
        """Process IDs of the gunicorn workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def dump_tasks(self) -> str:
        """Return the log, at its end what the tasks of each worker wait for."""
        for worker in self.workers():
            os.kill(worker, signal.SIGUSR2)
        time.sleep(0.5)
        return self.log.read_text()


@contextmanager
def gateway(*, workers: int = 1, ready: int = 200, log_to: str = "", **environment: str) -> Iterator[RunningGateway]:
    """Yield a gateway on a free port, that answers /health/ready as said; its processes are gone afterwards. Its log is
    a file of its own, or `log_to`."""
    port, metrics_port = free_port(), free_port()
    peppers, signing = (
        json.dumps({number: base64.b64encode(key).decode() for number, key in ring.items()})
        for ring in (settings.TOKEN_PEPPERS, settings.SIGNING_KEYS)
    )
    env = os.environ | {
        "TEST_CONNINFO": conninfo(),
        "TEST_PEPPERS": peppers,
        "TEST_SIGNING_KEYS": signing,
        "TEST_SECRET": SECRET,
        "TEST_METRICS_PORT": str(metrics_port),
    }
    with (
        tempfile.NamedTemporaryFile(prefix="gateway-", suffix=".log", delete=False) as log,
        open(log_to or os.devnull, "w") as elsewhere,
    ):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "tests.gateway_application:app"),
                *("--worker-class", "config.serve.gateway_worker.GatewayWorker"),
                *("--workers", str(workers), "--no-control-socket"),
                *("--bind", f"127.0.0.1:{port}", "--bind", f"127.0.0.1:{metrics_port}"),
                # Idle connections stay as long as in production; by gunicorn's default of 2 s a busy client loses them.
                *("--keep-alive", f"{IDLE_TIMEOUT_SECONDS:.0f}"),
                *("--graceful-timeout", "5", "--log-level", "warning"),
            ],
            cwd=ROOT,
            env=env | environment,
            stdout=log,
            stderr=elsewhere if log_to else log,
            start_new_session=True,
        )
    running = RunningGateway(port, metrics_port, process, Path(log.name), logs_to_file=not log_to)
    try:
        _wait_for_health(running, ready)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        running.log.unlink()


def _wait_for_health(running: RunningGateway, status: int) -> None:
    def answers_or_ended() -> bool:
        # Not the client below: a browser's tests run inside an event loop already.
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", running.port, timeout=5)) as health:
            health.request("GET", "/health/ready")
            if health.getresponse().status == status:
                return True
        return running.process.poll() is not None

    wait_until(answers_or_ended, seconds=60, describe=running.log.read_text)
    if running.process.poll() is not None:
        raise RuntimeError(f"the gateway did not start:\n{running.log.read_text()}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def refusal(self) -> str:
        return self.headers.get("x-refusal", "")


class Asker:
    """One keep-alive connection to a gateway, as a proxy holds it."""

    def __init__(self, port: int, secret: str = SECRET) -> None:
        self.port, self.secret = port, secret

    async def __aenter__(self) -> Asker:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def verify(self, token: str | None, **what: Any) -> Answer:
        return await self._exchange(self.question(token, **what))

    async def get(self, path: str, headers: list[tuple[str, str]] | None = None) -> Answer:
        return await self._exchange(_get(path, headers or []))

    def question(
        self,
        token: str | None,
        *,
        api: str = "ledger",
        method: str = "GET",
        uri: str = "/customers",
        address: str = "127.0.0.1",
        extra: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """Return what nginx asks about one call."""
        headers = [
            ("X-Gateway-Secret", self.secret),
            ("X-Original-Method", method),
            ("X-Original-URI", uri),
            ("X-Forwarded-For", address),
            *extra,
        ]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        return _get(f"/v1/verify/{api}", headers)

    async def _exchange(self, request: bytes) -> Answer:
        self.writer.write(request)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await self.reader.readexactly(int(answered.get("content-length", "0")))
        return Answer(int(head[0].split(" ")[1]), answered, body)


def _get(path: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: gateway", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
