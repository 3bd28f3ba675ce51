"""The released versions, from which the tests upgrade."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Release(NamedTuple):
    version: str
    commit: str


# By the code of the release.
MAKE_KEY = """
from config.command_line import load_environment
load_environment()
import django
django.setup()
from core.permissions import Role
from tests.keys_made import a_billing_key
from tests.people import a_user, an_account
print(a_billing_key(a_user(an_account(), "alice", Role.ADMINISTRATOR)).token)
"""
# Oldest first.
RELEASES = (Release("0.1.0", "024e71314b0aa6b489610f0c3c3ec5b88e4c6dca"),)


def extract(release: Release, folder: Path) -> Path:
    """Write the files of a release to `folder`, and return it. Where the history does not reach so far, the test is
    expected to fail: no program that can be installed is missing."""
    done = subprocess.run(["git", "archive", release.commit], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.xfail(f"the history of {release.version} ({release.commit[:7]}) is not here: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def make_key(checkout: Path, environment_file: Path) -> str:
    """Make a key with the code of a release's checkout; return its token."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "KEYWARD_ENV_FILE": str(environment_file)}
    command = [sys.executable, "-c", MAKE_KEY]
    made = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
