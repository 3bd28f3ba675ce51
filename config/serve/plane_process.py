"""One process of a plane: gunicorn over sockets that the supervisor holds."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence

from config.serve import ready_signal
from config.serve.planes import Plane
from config.serve.program import Origin


class PlaneProcess:
    """gunicorn's master and, as its children, the workers; `started` is a reading of the monotonic clock. A successor
    says by a pipe when it can take over."""

    def __init__(
        self,
        plane: Plane,
        listeners: Sequence[socket.socket],
        origin: Origin,
        *,
        is_successor: bool = False,
    ) -> None:
        self.origin = origin
        descriptors = [listener.fileno() for listener in listeners]
        self._ready_pipe, write_end = os.pipe()
        os.set_blocking(self._ready_pipe, False)
        self._is_ready = False
        # As gunicorn hands sockets over to its own successor (its USR2): it neither binds nor unlinks them.
        handed_over = {"GUNICORN_PID": str(os.getpid()), "GUNICORN_FD": ",".join(map(str, descriptors))}
        if is_successor:
            handed_over[ready_signal.VARIABLE] = str(write_end)
        try:
            # A session of its own: the terminal's Ctrl-C is for the supervisor, which stops them in order.
            self._process = subprocess.Popen(
                plane.build_command(origin.program.python),
                cwd=origin.program.folder,
                env=plane.build_environment(origin.environ) | handed_over,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(*descriptors, write_end),
            )
        finally:
            os.close(write_end)
        self.started = time.monotonic()

    def poll(self) -> int | None:
        return self._process.poll()

    def is_ready(self) -> bool:
        """Return whether a worker has said that it takes requests."""
        if not self._is_ready:
            with contextlib.suppress(BlockingIOError):
                self._is_ready = bool(os.read(self._ready_pipe, 1))
        return self._is_ready

    def terminate(self) -> None:
        """Ask it to finish what it is doing and end."""
        self._process.terminate()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for its end, and kill it with its workers when that takes longer. Return whether it ended by itself."""
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
        """Let go of the pipe of a process that has ended."""
        if self._ready_pipe >= 0:
            os.close(self._ready_pipe)
            self._ready_pipe = -1
