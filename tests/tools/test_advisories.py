"""The gate of vulnerable pins goes red: pip-audit over the locks, with a pin planted that has a published advisory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateways import free_port
from tests.tools import published
from tests.tools.advisories import LOCKS, audit

# The last version before each was fixed.
VULNERABLE = {"sqlparse": "0.4.3", "django": "4.2.15", "pyyaml": "5.3.1", "gunicorn": "19.4.5"}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with published.serve() as url:
        yield url


def test_no_pin_has_a_published_advisory(database: str) -> None:
    done = audit(LOCKS, "--osv-url", database)
    assert (done.returncode, "No known vulnerabilities found" in done.stderr) == (0, True), done.stdout + done.stderr


@pytest.mark.quality(24)
def test_planted_vulnerable_pins_are_found(database: str, tmp_path: Path) -> None:
    text = LOCKS[0].read_text()
    for package, version in VULNERABLE.items():
        text, planted = re.subn(rf"^{package}==\S+", f"{package}=={version}", text, flags=re.MULTILINE)
        assert planted == 1
    (tmp_path / "requirements.txt").write_text(text)
    done = audit([tmp_path / "requirements.txt"], "--osv-url", database)
    assert done.returncode == 1
    found = {tuple(line.split()[:3]) for line in done.stdout.splitlines() if "PYSEC" in line}
    assert found == {(name, version, published.ADVISORIES[name][0]) for name, version in VULNERABLE.items()}


@pytest.mark.quality(24)
def test_a_database_that_does_not_answer_is_no_good_news() -> None:
    done = audit(LOCKS[2:3], "--osv-url", f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr


@pytest.mark.quality(24)
def test_a_pin_without_a_hash_is_refused(database: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("django==5.2.19\n")
    assert audit([tmp_path / "requirements.txt"], "--osv-url", database).returncode != 0
