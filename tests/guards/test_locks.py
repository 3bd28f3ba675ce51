"""One lock for running, one for testing: the same versions in both, every file with its hash."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\-\[\]]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_what_is_tested_is_what_runs() -> None:
    running, testing = pins("requirements.txt"), pins("requirements-test.txt")
    assert running
    assert {name: testing.get(name) for name in running} == running


def test_every_pin_has_a_hash() -> None:
    for lock in ("requirements.txt", "requirements-test.txt"):
        text = (ROOT / lock).read_text()
        entries = re.split(r"\n(?=\S)", text)
        assert [entry.split("\n")[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []
