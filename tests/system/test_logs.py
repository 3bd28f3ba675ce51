"""Log lines: one JSON object each in production, refusals without tracebacks, floods of one cause bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.test_settings import ROOT, production

SCRIPT = """
import logging, warnings
import django
django.setup()
import structlog
from django.test import RequestFactory
from config.logs import RateLimitFilter
request, security = logging.getLogger("django.request"), logging.getLogger("django.security.DisallowedHost")


for number in range(200):
    try:
        raise PermissionError("not yours")
    except PermissionError:
        request.warning("%s: %s", "Forbidden", f"/keys/{number}/", exc_info=True, extra={"status_code": 403})
    try:
        raise ValueError("Invalid HTTP_HOST header")
    except ValueError:
        security.error("Invalid HTTP_HOST header: %r.", f"host{number}", exc_info=True)
for number in range(2):
    try:
        1 / 0
    except ZeroDivisionError:
        request.error("%s: %s", "Internal Server Error", "/a", exc_info=True, extra={"status_code": 500})
try:
    {}["missing"]
except KeyError:
    request.error("%s: %s", "Internal Server Error", "/b", exc_info=True, extra={"status_code": 500})
structlog.get_logger("keyward.test").info("a thing happened", count=3, token="kw_" + "a" * 51)
warnings.warn("old")
RateLimitFilter.WINDOW_SECONDS = 0
request.warning("%s: %s", "Forbidden", "/last/", extra={"status_code": 403})
"""


def run(script: str, var: Path, database: str = "postgresql://app:x@db.example/keyward") -> list[dict[str, object]]:
    """Return what a script logs with the settings of production."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "KEYWARD_VAR": str(var),
            "DATABASE_URL": database,
            "PYTHONPATH": str(ROOT),
        }
        | production(),
        cwd=Path(ROOT),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    return run(SCRIPT, tmp_path_factory.mktemp("logs"))


def test_every_line_is_one_json_object_with_the_documented_fields(lines: list[dict[str, object]]) -> None:
    for line in lines:
        assert {"event", "level", "logger", "timestamp"} <= set(line)
    happened = next(line for line in lines if line["event"] == "a thing happened")
    assert (happened["level"], happened["count"], happened["logger"]) == ("info", 3, "keyward.test")
    assert any("old" in str(line["event"]) and line["logger"] == "py.warnings" for line in lines)


def test_a_refusal_is_a_warning_without_a_traceback(lines: list[dict[str, object]]) -> None:
    refusals = [line for line in lines if "Forbidden" in str(line["event"]) or "HTTP_HOST" in str(line["event"])]
    assert {line["level"] for line in refusals} == {"warning"}
    assert not [line for line in refusals if "exception" in line]


def test_a_flood_of_one_cause_is_bounded_and_hides_no_other(lines: list[dict[str, object]]) -> None:
    forbidden = [line for line in lines if "Forbidden" in str(line["event"])]
    assert len(forbidden) == 21
    assert forbidden[-1]["event"] == "Forbidden: /last/ (repeated 180 times)"
    assert len([line for line in lines if "HTTP_HOST" in str(line["event"])]) == 20
    faults = [line for line in lines if line["level"] == "error"]
    assert [("ZeroDivisionError" in str(line["exception"]), line["event"]) for line in faults] == [
        (True, "Internal Server Error: /a"),
        (True, "Internal Server Error: /a"),
        (False, "Internal Server Error: /b"),
    ]


READINESS = """
import django
django.setup()
from django.test import Client
from config import health
for _ in range(3):
    assert Client().get("/health/ready").status_code == 503
    health.PROBE._valid_until = 0.0
health.PROBE._check = health.PortalReadiness
assert Client().get("/health/ready").status_code == 200
"""


def test_a_portal_that_is_not_ready_says_why_once(tmp_path: Path) -> None:
    lines = run(READINESS, tmp_path, "postgresql://app:x@127.0.0.1:9/keyward")
    said = [line for line in lines if line["logger"] != "py.warnings"]
    assert [(line["level"], line["event"]) for line in said] == [
        ("error", "the portal is not ready"),
        ("info", "the portal is ready again"),
    ]
    assert "Connection refused" in str(said[0]["detail"])
    assert not [line for line in said if "exception" in line]
