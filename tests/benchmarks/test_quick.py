"""Each benchmark still works; what it measures in a moment on a busy machine says nothing and is not looked at."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_ends_with_its_ratio(name):
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ratio = rf"{name}: \d+\.\d\d?( s)? \(must [\d.]+, aim [\d.]+\)"
    memory = r"export-memory: \+\d+ MB \(must \+30, aim \+5\)"
    *_, before, last = ran.stdout.splitlines()
    assert re.fullmatch(ratio, before if name == "export" else last)
    assert name != "export" or re.fullmatch(memory, last)
