"""`serve` runs its jobs at their intervals, never twice at once, and logs what they say."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from config.serve import job as module
from config.serve.job import Job
from config.serve.program import Program
from tests.waiting import wait_until

# A full hour.
EPOCH = 1_700_002_800.0
COMMAND = """
import os, pathlib, sys, time
pathlib.Path("runs").open("a").write(" ".join(sys.argv[1:]) + "\\n")
while pathlib.Path("wait").exists():
    time.sleep(0.01)
sys.stderr.write(os.environ["SAYS"])
sys.exit(int(os.environ["STATUS"]))
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "__main__.py").write_text(COMMAND)
    return Program(sys.executable, str(tmp_path))


def control_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that jobs go by, for a test to set."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: EPOCH + now[0]))
    return now


def run_once(job: Job, program: Program, *, says: str = "", status: int = 0) -> list[dict[str, object]]:
    """Run the job until it has ended, and return what was logged."""
    environ = os.environ | {"SAYS": says, "STATUS": str(status)}
    with capture_logs() as logged:
        job.run_if_due(program, environ)
        wait_until(lambda: job._process is None or job._process.poll() is not None)
        job.run_if_due(program, environ)
    return [dict(line) for line in logged]


@pytest.mark.parametrize(
    ("says", "status", "lines"),
    [
        ("", 0, []),
        ("a  warning\n", 0, [{"event": "job finished", "log_level": "warning", "detail": "a warning"}]),
        (
            "no room",
            3,
            [{"event": "job failed", "log_level": "error", "status": 3, "detail": "no room"}],
        ),
    ],
)
def test_what_a_run_says_is_one_line(says: str, status: int, lines: list[dict[str, object]], program: Program) -> None:
    job = Job("tidy", interval_seconds=3600)
    assert run_once(job, program, says=says, status=status) == [{"job": "tidy", **line} for line in lines]
    job.stop()
    assert Path(program.folder, "runs").read_text() == "tidy\n"


def test_the_output_of_one_run_is_not_that_of_the_next(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    now = control_clock(monkeypatch)
    job = Job("tidy", interval_seconds=10)
    said = []
    for now[0], says in ((100.0, "first"), (120.0, "second")):
        said += run_once(job, program, says=says, status=1)
    job.stop()
    assert [line["detail"] for line in said] == ["first", "second"]


def test_an_hourly_job_runs_a_minute_after_each_full_hour(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    now = control_clock(monkeypatch)
    job, runs = Job("tidy", interval_seconds=3600), Path(program.folder, "runs")
    for now[0], expected in (
        (100.0, 1),
        (3659.0, 1),
        (3660.0, 2),
        (7259.0, 2),
        (7400.0, 3),
        (10_859.0, 3),
        (10_860.0, 4),
    ):
        run_once(job, program)
        assert runs.read_text().count("tidy") == expected, now[0]
    job.stop()


def test_it_waits_for_its_delay_and_never_runs_twice_at_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    now, runs = control_clock(monkeypatch), Path(program.folder, "runs")
    environ = os.environ | {"SAYS": "", "STATUS": "0"}
    job = Job("tidy", ("--well",), interval_seconds=10, delay_seconds=60)
    job.run_if_due(program, environ)
    assert job._process is None
    Path(program.folder, "wait").touch()
    for now[0] in (160.0, 171.0, 182.0):
        job.run_if_due(program, environ)
        wait_until(lambda: runs.exists() and runs.read_text() != "")
    running = job._process
    assert running is not None
    assert running.poll() is None
    job.stop()
    assert running.poll() is not None
    assert runs.read_text() == "tidy --well\n"
