"""One process of a plane: gunicorn over the sockets that the supervisor owns."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence

from config.serve import ready_signal, stop_notice
from config.serve.planes import Plane
from config.serve.program import Origin


class PlaneProcess:
    """gunicorn's master and its worker processes. `started` is the start time by the monotonic clock. `stop_descriptor`
    is that of the supervisor's notice (stop_notice.py). A successor signals through a pipe that it is ready."""

    def __init__(
        self,
        plane: Plane,
        listeners: Sequence[socket.socket],
        origin: Origin,
        stop_descriptor: int,
        *,
        is_successor: bool = False,
    ) -> None:
        self.origin = origin
        descriptors = [listener.fileno() for listener in listeners]
        self._ready_pipe, write_end = os.pipe()
        os.set_blocking(self._ready_pipe, False)
        self._is_ready = False
        # The variables by which gunicorn passes sockets to its own successor (on USR2), which neither binds nor unlinks
        # them.
        handed_over = {
            "GUNICORN_PID": str(os.getpid()),
            "GUNICORN_FD": ",".join(map(str, descriptors)),
            stop_notice.VARIABLE: str(stop_descriptor),
        }
        if is_successor:
            handed_over[ready_signal.VARIABLE] = str(write_end)
        try:
            # In a session of its own: the terminal's Ctrl-C reaches only the supervisor, which stops the planes in
            # order.
            self._process = subprocess.Popen(
                plane.build_command(origin.program.python),
                cwd=origin.program.folder,
                env=plane.build_environment(origin.environ) | handed_over,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(*descriptors, stop_descriptor, write_end),
            )
        finally:
            os.close(write_end)
        self.started = time.monotonic()

    def poll(self) -> int | None:
        return self._process.poll()

    def is_ready(self) -> bool:
        """Return whether a worker has signalled that it accepts requests."""
        if not self._is_ready:
            with contextlib.suppress(BlockingIOError):
                self._is_ready = bool(os.read(self._ready_pipe, 1))
        return self._is_ready

    def terminate(self) -> None:
        """Request a graceful stop."""
        self._process.terminate()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the process ends; after `timeout_seconds` kill it with its workers. Return whether it ended by
        itself."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return False
        finally:
            self.close()
        return True

    def close(self) -> None:
        """Close the pipe of a process that has ended."""
        if self._ready_pipe >= 0:
            os.close(self._ready_pipe)
            self._ready_pipe = -1
