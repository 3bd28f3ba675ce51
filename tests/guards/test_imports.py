"""The domain knows no HTTP, and nobody looks past a room's door: the linters that hold it do notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BANNED = [
    "from django.http import HttpRequest",
    "from django.shortcuts import render",
    "from django.contrib import messages",
    "from django.db.models.signals import post_save",
    "import random",
    "import config.settings",
]


def complaints(planted: str, room: str) -> str:
    command = [str(BIN / "ruff"), "check", "--select", "TID251", "--stdin-filename", room, "-"]
    return subprocess.run(command, input=planted + "\n", capture_output=True, text=True, cwd=ROOT, check=False).stdout


@pytest.mark.parametrize("planted", BANNED)
@pytest.mark.parametrize(
    "room", ["keys/services/state.py", "core/authorization.py", "audit/trail/record.py", "gateway/group_commit.py"]
)
def test_a_planted_import_of_http_in_the_domain_is_refused(planted: str, room: str) -> None:
    assert "TID251" in complaints(planted, room)


def test_views_may_know_http() -> None:
    assert "TID251" not in complaints(BANNED[0], "keys/views/listing.py")


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("keys/decision/access.py", "from keys.models import Key", "are pure BROKEN"),
        ("keys/services/locks.py", "from keys.forms.rotate import RotateForm", "no administration BROKEN"),
    ],
)
def test_the_contracts_notice_a_planted_import(tmp_path: Path, module: str, planted: str, contract: str) -> None:
    """The whole tree is copied, because a contract is about files."""
    for room in ("accounts", "audit", "config", "core", "gateway", "keys"):
        for file in (ROOT / room).rglob("*.py"):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (tmp_path / module).open("a") as end:
        end.write(f"\n{planted}\n")
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode != 0
    assert contract in done.stdout
