"""docs/logs.md says what the code logs, and what it logs is as the document says."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.installation import Installation, link_checkout
from tests.log_lines import find_problems, list_code_lines, list_documented_lines
from tests.waiting import wait_until


def test_the_table_of_events_is_what_the_code_logs() -> None:
    assert list_documented_lines() - list_code_lines() == set(), "not logged"
    assert list_code_lines() - list_documented_lines() == set(), "not documented"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What an installation in production logs: a failing `maintain`, a refused host, reloads good and bad, the end."""
    folder = tmp_path_factory.mktemp("logs")
    installation = Installation(link_checkout(folder / "bin"), folder)
    assert installation.run("init").returncode == 0
    assert installation.run("migrate", "--verbosity", "0").returncode == 0
    assert installation.run("collectstatic", "--verbosity", "0").returncode == 0
    file = folder / "keyward.env"
    good = file.read_text()
    # `serve` writes checkpoints there.
    (folder / "var" / "checkpoints.jsonl").mkdir()
    with installation.serve() as process:

        def wait(text: str, count: int = 1) -> None:
            read = installation.read_log
            wait_until(lambda: read().count(text) >= count, seconds=90, describe=lambda: (text, read()))

        def reload(text: str, said: str, count: int = 1) -> None:
            file.write_text(text)
            process.send_signal(signal.SIGHUP)
            wait(said, count)

        wait("job failed")
        with closing(HTTPConnection("127.0.0.1", int(installation.ports["PORT"]))) as connection:
            connection.request("GET", "/login/", headers={"Host": "elsewhere.example"})
            assert connection.getresponse().status == 400
        reload(f"{good}PORT = x\n", "reload refused: the environment file is not usable")
        reload(f"{good}LOG_RETENTION_DAYS=0\n", "reload failed", 2)
        reload(good, "reloaded", 2)
    # Why a process did not start is told before it reads how to log.
    return [line for line in installation.read_log().splitlines() if line and not line.startswith("Error: ")]


@pytest.mark.full
def test_what_an_installation_logs_is_as_documented(lines: list[str]) -> None:
    problems = {line: found for line in lines if (found := find_problems(line))}
    assert problems == {}
    events = {(json.loads(line)["logger"], json.loads(line)["event"]) for line in lines}
    assert events >= {
        ("keyward.serve", "job failed"),
        ("keyward.serve", "reload refused: the environment file is not usable"),
        ("keyward.serve", "reload failed: the old process goes on"),
        ("keyward.serve", "reloading: a new process is starting"),
        ("keyward.serve", "reloaded: the old process finishes its requests"),
        ("keyward.serve", "stopping: the planes finish their work"),
        ("keyward.serve", "stopped"),
    }
    assert any(logger.startswith("django.security.") for logger, _ in events)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"password": "x"}, "password is not documented"),
        ({"status": None}, ""),
        ({"plane": ...}, "plane is missing"),
        ({"level": "info"}, "no such line"),
        ({"event": "plane began"}, "no such line"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"repeated": 3, "request_id": "01a2"}, ""),
    ],
)
def test_a_line_that_is_not_as_documented_is_found(change: dict[str, object], problem: str) -> None:
    line = {
        "timestamp": "2026-01-02T03:04:05.678901Z",
        "level": "error",
        "logger": "keyward.serve",
        "event": "plane ended: restarting it",
        "plane": "portal",
        "status": 1,
    } | change
    found = find_problems(json.dumps({name: value for name, value in line.items() if value is not ...}))
    assert problem in found if problem else found == ""
