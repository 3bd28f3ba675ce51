"""Keeps the planes running, side by side, until asked to stop; replaces their processes without refusing a call."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence

import structlog

from config import environment_file
from config.serve.listeners import close_listeners, open_listeners
from config.serve.plane_process import PlaneProcess
from config.serve.planes import Plane
from config.serve.program import Origin, find_origin

STOP_TIMEOUT_SECONDS = 70.0
# A plane that dies sooner than this after its start is not started again: it would only die again.
MIN_UPTIME_SECONDS = 5.0
# A successor that is not ready by then is given up, and the process that it was to replace goes on.
RELOAD_TIMEOUT_SECONDS = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
logger = structlog.get_logger("keyward.serve")


class StopRequested(Exception):
    """SIGINT or SIGTERM arrived."""


class PlaneFailed(Exception):
    """A plane cannot run; the message is one line."""


class Supervisor:
    """`on_tick` is called about once a second, for what else has to be looked after."""

    def __init__(self, planes: Sequence[Plane], on_tick: Callable[[], None]) -> None:
        self._planes = planes
        self._on_tick = on_tick
        self._listeners: dict[Plane, list[socket.socket]] = {}
        self._running: dict[Plane, PlaneProcess] = {}
        self._successors: dict[Plane, PlaneProcess] = {}
        self._retired: list[tuple[PlaneProcess, float]] = []
        self.origin = find_origin(os.environ)
        self.reload_requested = False

    def run(self, ready: Callable[[], bool], announce: Callable[[], None]) -> None:
        """Start the planes and announce once they are ready; ends with StopRequested or PlaneFailed, and the planes
        with it."""
        try:
            for plane in self._planes:
                self._listeners[plane] = open_listeners(plane)
                self._running[plane] = self._start(plane, self.origin)
            announced = False
            while True:
                if not announced and ready():
                    announce()
                    announced = True
                time.sleep(1 if announced and not self._successors else 0.02)
                if self.reload_requested:
                    self._begin_reload()
                self._hand_over()
                self._restart_dead()
                self._on_tick()
        finally:
            # A second Ctrl-C while the planes finish their work changes nothing; they have a limit of their own.
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop_all()

    def _start(self, plane: Plane, origin: Origin, *, is_successor: bool = False) -> PlaneProcess:
        return PlaneProcess(plane, self._listeners[plane], origin, is_successor=is_successor)

    def _begin_reload(self) -> None:
        """Start a successor of each plane, over the same sockets, in the environment as it is now."""
        self.reload_requested = False
        if self._successors:
            logger.warning("reload refused: one is under way")
            return
        try:
            origin = find_origin(environment_file.reload(os.environ))
        except environment_file.Misconfigured as error:
            logger.error("reload refused: the environment file is not usable", detail=str(error))
            return
        except OSError as error:
            logger.error("reload refused: the program is not there", detail=str(error))
            return
        for plane in self._planes:
            logger.info("reloading: a new process is starting", plane=plane.name)
            self._successors[plane] = self._start(plane, origin, is_successor=True)

    def _hand_over(self) -> None:
        """Retire the process of each plane whose successor is ready; give up a successor that ended or is late."""
        now = time.monotonic()
        for plane, successor in list(self._successors.items()):
            if (
                successor.poll() is None
                and not successor.is_ready()
                and now - successor.started < RELOAD_TIMEOUT_SECONDS
            ):
                continue
            del self._successors[plane]
            if successor.poll() is None and successor.is_ready():
                old, self._running[plane] = self._running[plane], successor
                self.origin = successor.origin
                logger.info("reloaded: the old process finishes its work", plane=plane.name)
            else:
                old = successor
                logger.error("reload failed: the process before it goes on", plane=plane.name, status=old.poll())
            old.terminate()
            self._retired.append((old, now + STOP_TIMEOUT_SECONDS))
        for old, deadline in list(self._retired):
            if old.poll() is not None or now > deadline:
                old.wait(0)
                self._retired.remove((old, deadline))

    def _restart_dead(self) -> None:
        for plane, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            if time.monotonic() - process.started < MIN_UPTIME_SECONDS:
                raise PlaneFailed(
                    f"The {plane.name} ended with status {code} right after its start; its last words are above."
                )
            logger.error("plane ended, starting it again", plane=plane.name, status=code)
            process.close()
            self._running[plane] = self._start(plane, process.origin)

    def _stop_all(self) -> None:
        processes = [*self._running.values(), *self._successors.values(), *(old for old, _ in self._retired)]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in processes:
            if not process.wait(max(0.0, deadline - time.monotonic())):
                logger.error("plane did not end in time", seconds=STOP_TIMEOUT_SECONDS)
        for listeners in self._listeners.values():
            close_listeners(listeners)


@contextlib.contextmanager
def handle_signals(request_reload: Callable[[], None]) -> Iterator[None]:
    """Within, the signals that ask to stop raise StopRequested, even where the shell had them ignored. SIGHUP is a
    terminal's end; without a terminal it asks to reload, as it does of other servers."""
    handlers = dict.fromkeys(STOP_SIGNALS, _raise_stop_requested)
    if not _has_terminal():
        handlers[signal.SIGHUP] = lambda number, frame: request_reload()
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Return whether this process has a terminal, which sends SIGHUP when it is closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _raise_stop_requested(number: int, frame: object) -> None:
    raise StopRequested
