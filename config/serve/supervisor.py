"""Keeps the two planes running, side by side, until asked to stop."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_SECONDS = 70.0
# A plane that dies sooner than this after its start is not started again: it would only die again.
MIN_UPTIME_SECONDS = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
logger = structlog.get_logger("keyward.serve")


@dataclass(frozen=True)
class Plane:
    name: str
    settings: str
    application: str
    # What the plane has no use for: variables of its environment, with their `_FILE`.
    withheld: tuple[str, ...] = ()

    def build_command(self) -> list[str]:
        return [sys.executable, "-m", "gunicorn", "-c", f"python:{self.settings}", self.application]

    def build_environment(self) -> dict[str, str]:
        withheld = {f"{name}{end}" for name in self.withheld for end in ("", "_FILE")}
        given = {name: value for name, value in os.environ.items() if name not in withheld}
        return given | {"KEYWARD_SUPERVISOR": str(os.getpid())}


PLANES = (
    Plane("portal", "config.serve.gunicorn_portal", "config.wsgi:application"),
    Plane(
        "gateway",
        "config.serve.gunicorn_gateway",
        "config.serve.gateway:application",
        withheld=("SEALING_KEYS", "CHECKPOINT_KEY", "MAINTENANCE_DATABASE_URL", "EMAIL_URL", "KEYWARD_DEMO_PASSWORD"),
    ),
)


class StopRequested(Exception):
    """SIGINT or SIGTERM arrived."""


class PlaneFailed(Exception):
    """A plane cannot run; the message is one line."""


def find_taken_port(variable: str, addresses: Sequence[str], port: int) -> str | None:
    """Return what is wrong with listening on `port` of `addresses`, or None."""
    for address in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                advice = f"stop what uses it, or set {variable} to another."
                if error.errno == errno.EADDRNOTAVAIL:
                    advice = f"this machine has no address {address}."
                return f"{variable} {port} is not free on {address} ({error.strerror}): {advice}"
    return None


def is_ready(place: tuple[str, int] | str, timeout: float = 0.5) -> bool:
    """Return whether the plane that listens at `place`, an address and a port or a socket's path, can work."""
    connection = HTTPConnection("localhost", timeout=timeout)
    try:
        with contextlib.closing(connection):
            if isinstance(place, str):
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(timeout)
                connection.sock.connect(place)
            else:
                connection.sock = socket.create_connection(place, timeout)
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == HTTPStatus.OK
    except (HTTPException, OSError):
        return False


class Supervisor:
    """`each_second` is called about once a second, for what else has to be looked after."""

    def __init__(self, on_tick: Callable[[], None]) -> None:
        self._on_tick = on_tick
        self._running: dict[Plane, tuple[subprocess.Popen[bytes], float]] = {}

    def run(self, ready: Callable[[], bool], announce: Callable[[], None]) -> None:
        """Start the planes and announce once they are ready; ends with Stopped or Failed, and the planes with it."""
        try:
            for plane in PLANES:
                self._start(plane)
            announced = False
            while True:
                if not announced and ready():
                    announce()
                    announced = True
                time.sleep(1 if announced else 0.02)
                self._restart_dead()
                self._on_tick()
        finally:
            # A second Ctrl-C while the planes finish their work changes nothing; they have a limit of their own.
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop_all()

    def _start(self, plane: Plane) -> None:
        # A session of its own: the terminal's Ctrl-C is for the supervisor, which stops them in order.
        process = subprocess.Popen(
            plane.build_command(),
            cwd=ROOT,
            env=plane.build_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._running[plane] = (process, time.monotonic())

    def _restart_dead(self) -> None:
        for plane, (process, started) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            if time.monotonic() - started < MIN_UPTIME_SECONDS:
                raise PlaneFailed(
                    f"The {plane.name} ended with status {code} right after its start; its last words are above."
                )
            logger.error("plane ended, starting it again", plane=plane.name, status=code)
            self._start(plane)

    def _stop_all(self) -> None:
        for process, _ in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for plane, (process, _) in self._running.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.error("plane did not end in time", plane=plane.name, seconds=STOP_TIMEOUT_SECONDS)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def raise_on_stop_signals() -> Iterator[None]:
    """Within, the signals that ask to stop raise Stopped, even where the shell had them ignored."""
    previous = {number: signal.signal(number, _raise_stop_requested) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raise_stop_requested(number: int, frame: object) -> None:
    raise StopRequested
