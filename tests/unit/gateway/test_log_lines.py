"""Log lines of the gateway: one for each cause in LOG_INTERVAL_SECONDS, with how many were left out."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway import error_log
from gateway.error_log import ERROR, INFO, MAX_CAUSES, WARNING, report
from gateway.limits import LOG_INTERVAL_SECONDS


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, and nothing said before."""
    now = [1000.0]
    monkeypatch.setattr(error_log.time, "monotonic", lambda: now[0])
    # The module's own may be bound already, to processors that no test can see.
    monkeypatch.setattr(error_log, "log", structlog.get_logger("keyward.gateway"))
    monkeypatch.setattr(error_log, "_last_logged", {})
    monkeypatch.setattr(error_log, "_suppressed", {})
    return now


def test_a_cause_is_said_once_and_later_with_how_many_were_left_out(clock: list[float]):
    with capture_logs() as lines:
        for _ in range(4):
            report(ERROR, "batch.refused", OSError("away"), calls=3)
        clock[0] += LOG_INTERVAL_SECONDS - 0.01
        report(ERROR, "batch.refused", OSError("away"), calls=3)
        clock[0] += 0.01
        report(ERROR, "batch.refused", OSError("still away"), calls=5)
        clock[0] += LOG_INTERVAL_SECONDS
        report(ERROR, "batch.refused", OSError("away"), calls=1)
    event: dict[str, Any] = {"event": "batch.refused", "log_level": "error", "error": "OSError"}
    assert lines == [
        event | {"detail": "away", "calls": 3},
        event | {"detail": "still away", "calls": 5, "repeated": 4},
        event | {"detail": "away", "calls": 1},
    ]


def test_events_and_kinds_of_error_are_causes_of_their_own():
    with capture_logs() as lines:
        for _ in range(2):
            report(ERROR, "batch.refused", OSError("a"))
            report(ERROR, "batch.refused", TimeoutError("a"))
            report(WARNING, "last_use.not_written", OSError("a"))
            report(INFO, "batch.written_again")
    assert [(line["event"], line["log_level"], line.get("error")) for line in lines] == [
        ("batch.refused", "error", "OSError"),
        ("batch.refused", "error", "TimeoutError"),
        ("last_use.not_written", "warning", "OSError"),
        ("batch.written_again", "info", None),
    ]


def test_an_error_is_one_line_of_bounded_length():
    with capture_logs() as lines:
        report(ERROR, "accept.failed", OSError("first\n  second\t\x20third " + "x" * 1000))
    assert lines[0]["detail"] == ("first second third " + "x" * 1000)[:200]


def test_a_traceback_is_logged_only_where_it_is_asked_for():
    error = ValueError("fault")
    with capture_logs() as lines:
        report(ERROR, "one", error)
        report(ERROR, "two", error, traceback=True)
        try:
            raise error
        except ValueError:
            report(ERROR, "three", traceback=True)
    assert [line.get("exc_info") for line in lines[:2]] == [None, error]
    assert lines[2]["exc_info"][1] is error


def test_what_is_remembered_is_bounded(clock: list[float]):
    with capture_logs() as lines:
        for number in range(MAX_CAUSES + 1):
            report(WARNING, f"event.{number}")
        # Forgotten with all others, it is said once more.
        report(WARNING, "event.0")
    assert len(lines) == MAX_CAUSES + 2
    assert len(error_log._last_logged) <= MAX_CAUSES
