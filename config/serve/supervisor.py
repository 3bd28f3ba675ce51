"""Runs the planes side by side until asked to stop, restarts them if they end, and replaces their processes without
refusing a call."""

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
from config.serve.stop_notice import StopNotice

STOP_TIMEOUT_SECONDS = 70.0
# A plane that ends sooner than this after its start is not restarted, because it would end again.
MIN_UPTIME_SECONDS = 5.0
# A successor that is not ready by then is stopped, and the process that it was to replace goes on.
RELOAD_TIMEOUT_SECONDS = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
logger = structlog.get_logger("keyward.serve")


class StopRequested(Exception):
    """A signal asked the supervisor to stop; the message is its name."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        # SIGINT comes from a keyboard, where somebody waits.
        self.at_once = number != signal.SIGTERM


class PlaneFailed(Exception):
    """A plane cannot run; the message is one line for the operator."""


class Supervisor:
    """Supervises one process of each plane.

    `on_tick` is called about once a second, for the caller's own periodic work. For `shutdown_delay_seconds` after
    SIGTERM, readiness fails while requests are still answered, so that load balancers send no more.
    """

    def __init__(self, planes: Sequence[Plane], on_tick: Callable[[], None], *, shutdown_delay_seconds: float) -> None:
        self._planes = planes
        self._on_tick = on_tick
        self._shutdown_delay_seconds = shutdown_delay_seconds
        self._listeners: dict[Plane, list[socket.socket]] = {}
        self._running: dict[Plane, PlaneProcess] = {}
        self._successors: dict[Plane, PlaneProcess] = {}
        self._retired: list[tuple[PlaneProcess, float]] = []
        self._stop_notice = StopNotice()
        self.origin = find_origin(os.environ)
        self.reload_requested = False

    def run(self, ready: Callable[[], bool], announce: Callable[[], None]) -> None:
        """Start the planes, call `announce` once `ready` returns true, and supervise them. Raise StopRequested or
        PlaneFailed, after stopping the planes."""
        announced = False
        try:
            for plane in self._planes:
                self._listeners[plane] = open_listeners(plane)
                self._running[plane] = self._start(plane, self.origin)
            while True:
                if not announced and ready():
                    announced = True
                    announce()
                time.sleep(1 if announced and not self._successors else 0.02)
                if self.reload_requested:
                    self._begin_reload()
                self._hand_over()
                self._restart_dead()
                self._on_tick()
        except StopRequested as request:
            if announced and self._shutdown_delay_seconds and not request.at_once:
                self._delay_stop(str(request))
            logger.info("stopping: the planes finish their work", signal=str(request))
            raise
        finally:
            # Ignore further signals while the planes finish their work, which STOP_TIMEOUT_SECONDS limits.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop_all()
            logger.info("stopped")

    def _start(self, plane: Plane, origin: Origin, *, is_successor: bool = False) -> PlaneProcess:
        return PlaneProcess(
            plane, self._listeners[plane], origin, self._stop_notice.descriptor, is_successor=is_successor
        )

    def _begin_reload(self) -> None:
        """Start a successor of each plane on the same sockets, with the current content of the environment file."""
        self.reload_requested = False
        if self._successors:
            logger.warning("reload refused: another reload is in progress")
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
            logger.info("reloading: a new process is starting", plane=plane.name, program=origin.program.python)
            self._successors[plane] = self._start(plane, origin, is_successor=True)

    def _hand_over(self) -> None:
        """Replace the process of each plane whose successor is ready; stop a successor that ended or is not ready in
        time."""
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
                logger.info("reloaded: the old process finishes its requests", plane=plane.name)
            else:
                old = successor
                logger.error("reload failed: the old process goes on", plane=plane.name, status=old.poll())
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
                    f"The {plane.name} ended with status {code} right after its start; its last log lines are above."
                )
            logger.error("plane ended: restarting it", plane=plane.name, status=code)
            process.close()
            self._running[plane] = self._start(plane, process.origin)

    def _delay_stop(self, name: str) -> None:
        """Let health checks fail while requests are answered as before; a further signal ends the delay."""
        logger.info(
            "stopping: readiness fails, requests are answered", signal=name, seconds=self._shutdown_delay_seconds
        )
        self._stop_notice.send()
        with contextlib.suppress(StopRequested):
            time.sleep(self._shutdown_delay_seconds)

    def _stop_all(self) -> None:
        processes = [*self._running.values(), *self._successors.values(), *(old for old, _ in self._retired)]
        for process in processes:
            process.terminate()
        # As the planes do with theirs: a connection that comes now is refused, and does not wait in vain.
        for listeners in self._listeners.values():
            close_listeners(listeners)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in processes:
            if not process.wait(max(0.0, deadline - time.monotonic())):
                logger.error("plane did not end in time", seconds=STOP_TIMEOUT_SECONDS)
        self._stop_notice.close()


@contextlib.contextmanager
def handle_signals(request_reload: Callable[[], None]) -> Iterator[None]:
    """Within, make the stop signals raise StopRequested, even if the shell had them ignored. SIGHUP stops too, if it
    means that a terminal was closed; without a terminal it requests a reload, as in other servers."""
    handlers = dict.fromkeys(SIGNALS, _raise_stop_requested)
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
    raise StopRequested(number)
