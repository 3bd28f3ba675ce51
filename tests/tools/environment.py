"""Programs that check what Keyward is delivered as: linters, validators, a search for advisories. They have a Python
environment of their own, pinned and hashed, because Keyward needs none of their packages."""

from __future__ import annotations

import fcntl
import hashlib
import sys
from pathlib import Path

import pytest

from benchmarks.peers.environment import Offline, install

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def find_tool(name: str) -> str:
    """Return the program's path; install all of them on first use. Skip the test where they cannot be installed."""
    mark = hashlib.sha256(f"{sys.version} {ROOT}".encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = ROOT / "var" / "tools" / mark
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        # Tests run in several processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            try:
                install(REQUIREMENTS, folder)
            except Offline as error:
                pytest.skip(f"the packages of tests/tools/requirements.txt cannot be installed: {error}")
            (folder / "installed").touch()
    return str(folder / "bin" / name)
