"""Each benchmark still works; what it measures in a moment on a busy machine says nothing and is not looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is migrated and stopped."""
    folder = tmp_path_factory.mktemp("template")
    environment = os.environ | {"KEYWARD_VAR": str(folder)}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_ends_with_its_ratio(name, template):
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick"],
        cwd=ROOT,
        env=os.environ | {"BENCHMARK_TEMPLATE": str(template)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ratio = rf"{name}: \d+\.\d\d?( s)? \(must [\d.]+, aim [\d.]+\)"
    memory = r"export-memory: \+\d+ MB \(must \+30, aim \+5\)"
    *_, before, last = ran.stdout.splitlines()
    assert re.fullmatch(ratio, before if name == "export" else last)
    assert name != "export" or re.fullmatch(memory, last)
