"""`check --deploy` names what an installation still lacks."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.test_settings import ROOT, production

# Runs a command, and prints which of two packages that take long to import it imported.
RUN = """
import atexit, sys
from config.command_line import run
atexit.register(lambda: print(*(name for name in ("config.urls", "keys.services") if name in sys.modules)))
sys.argv[0] = "manage.py"
run()
"""


def check(var: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        env={"PATH": os.environ["PATH"], "KEYWARD_VAR": str(var), **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_a_whole_installation_has_nothing_to_say(tmp_path: Path) -> None:
    environ = production() | {
        "DATABASE_URL": "postgresql://app:x@db.example/keyward",
        "MAINTENANCE_DATABASE_URL": "postgresql://owner:x@db.example/keyward",
        "GATEWAY_SECRETS": f"nginx:{secrets.token_hex(32)}",
    }
    assert check(tmp_path, **environ) == "System check identified no issues (3 silenced).\n"


def test_one_role_for_everything_is_reported(tmp_path: Path) -> None:
    message = check(tmp_path, **production(), DATABASE_URL="postgresql://owner:x@db.example/keyward")
    assert "set MAINTENANCE_DATABASE_URL" in message
    assert "no proxy can authenticate" in message


def test_the_demo_is_reported(tmp_path: Path) -> None:
    message = check(tmp_path)
    assert ("KEYWARD_MODE is demo" in message, "The database is the embedded one" in message) == (True, True)


def test_a_database_without_tables_is_reported_in_a_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--database", "default"],
        env={"PATH": os.environ["PATH"], "KEYWARD_VAR": str(tmp_path / "var")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "(keyward.E002) The database's tables are not those of this version: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [("verify_export nothing.csv nothing.json", "cannot be read"), ("migrate --plan", "accounts.0001_initial")],
)
def test_a_command_imports_no_page_for_checks(tmp_path: Path, command: str, says: str) -> None:
    """The checks of URLs are for developers, and for `check`; they import every page."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *command.split()],
        env={"PATH": os.environ["PATH"], "KEYWARD_VAR": str(tmp_path / "var")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == ""
