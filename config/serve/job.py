"""A command that `serve` runs at intervals beside the planes, such as `maintain`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile

import structlog

from config.serve.program import Program

MAX_OUTPUT_BYTES = 10_000
# How long after a full interval of the clock it is over by the database's clock, too.
SETTLE_SECONDS = 60.0
logger = structlog.get_logger("keyward.serve")


class Job:
    """One command with its interval; it never runs twice at once. What it writes to standard error is logged.

    It runs `delay_seconds` after the start, then SETTLE_SECONDS after each full interval of the clock: what is done for
    each hour that is over is done soon after it.
    """

    def __init__(
        self, name: str, arguments: Sequence[str] = (), *, interval_seconds: float, delay_seconds: float = 0
    ) -> None:
        self.name = name
        self._arguments = [name, *arguments]
        self._interval_seconds = interval_seconds
        self._due = time.monotonic() + delay_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._output = TemporaryFile()  # noqa: SIM115 - for as long as this process serves

    def run_if_due(self, program: Program, environ: Mapping[str, str]) -> None:
        """Log the result of a run that has ended, and start the next one if it is time."""
        if self._process is not None and self._process.poll() is not None:
            self._log_result(self._process.returncode)
            self._process = None
        if self._process is None and time.monotonic() >= self._due:
            over = (time.time() - SETTLE_SECONDS) % self._interval_seconds
            self._due = time.monotonic() + self._interval_seconds - over
            self._process = subprocess.Popen(
                [program.python, "-m", "config", *self._arguments],
                cwd=program.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._output,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End a run that is under way, for good."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._output.close()

    def _log_result(self, status: int) -> None:
        """Log the output of the run that has ended as one line."""
        self._output.seek(0)
        output = " ".join(self._output.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace").split())
        if status:
            logger.error("job failed", job=self.name, status=status, detail=output)
        elif output:
            logger.warning("job finished", job=self.name, detail=output)
        self._output.seek(0)
        self._output.truncate()
