"""How the supervisor tells its planes that it will stop them: it closes a pipe whose other end they hold. From then on
their readiness says so, so that load balancers send no more, and they go on answering."""

from __future__ import annotations

import os
import select

VARIABLE = "KEYWARD_STOP_FD"


class StopNotice:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self.descriptor, self._write_end = os.pipe()

    def send(self) -> None:
        """Tell every process that holds the descriptor. May be called again."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    def close(self) -> None:
        self.send()
        os.close(self.descriptor)


def is_stopping() -> bool:
    """Return whether the supervisor will stop this process; False where there is no supervisor."""
    descriptor = os.environ.get(VARIABLE, "")
    if not descriptor.isdecimal():
        return False
    # One for each call: threads cannot share a poll object.
    poll = select.poll()
    # Nothing is ever written: the only event is the end of the pipe.
    poll.register(int(descriptor), select.POLLIN)
    return bool(poll.poll(0))
