"""Each benchmark still works; what it measures in a moment on a busy machine says nothing and is not looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.attacks import ATTACKS
from benchmarks.results import Ratio, format_comparison, save
from benchmarks.sizes import Size

ROOT = Path(__file__).resolve().parents[2]
# With --full alone: what is made of the parts of another one, or measures what seldom changes. "start" does what
# tests/system/test_serve.py does.
LEFT_OUT = {
    "import",
    "digests",
    "roll-up",
    "log-page",
    "audit-verify",
    "verify-workers",
    "verify-latency",
    "verify-keys",
    "verify-changes",
    "support-pages",
    "growth",
    "start",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is migrated and stopped."""
    folder = tmp_path_factory.mktemp("template")
    environment = os.environ | {"KEYWARD_VAR": str(folder)}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    return folder


def run_quickly(name: str, template: Path) -> list[str]:
    """Return the lines that it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick"],
        cwd=ROOT,
        env=os.environ | {"BENCHMARK_TEMPLATE": str(template)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.full
@pytest.mark.quality(28)
def test_attacks_refuse_nobody_else_and_leave_little_behind(template, figure):
    """How much slower the others are is for the whole benchmark to say; what is left behind is not the machine's."""
    lines = run_quickly("attacks", template)
    rows = [re.split(r"\s{2,}", line) for line in lines if re.search(r"\d\s{2,}\d", line)]
    assert len(rows) == len(ATTACKS)
    for name, *_, megabytes, _, _, rows_a_second, kilobytes, connections, database in rows:
        # Those who measure make some hundred rows a second themselves.
        assert int(rows_a_second.replace(",", "")) < 1500, name
        assert int(kilobytes.replace(",", "")) < 2500, name
        assert int(connections) < 1200, name
        # Of two workers; what one file costs is measured by tests/system/test_hostile_uploads.py.
        assert int(megabytes) < 200, name
        assert int(database) < 30, name
    assert re.fullmatch(r"attacks: [\d.]+ \(must 3, aim 1.5\)", lines[-1])
    figure(f"{len(rows)} attacks, no call and no page refused; the slowest p99 beside quiet: {lines[-1]}")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.full] if name in LEFT_OUT else []) for name in NAMES if name != "attacks"],
)
def test_a_benchmark_ends_with_its_ratio(name, template):
    lines = run_quickly(name, template)
    ratio = rf"{name}: \d+\.\d\d?( s)? \(must [\d.]+, aim [\d.]+\)"
    memory = r"export-memory: \+\d+ MB \(must \+30, aim \+5\)"
    *_, before, last = lines
    assert re.fullmatch(ratio, before if name == "export" else last)
    assert name != "export" or re.fullmatch(memory, last)


def make_ratio(*samples: float) -> Ratio:
    return Ratio("digests", samples, must=1, aim=1)


def test_a_saved_run_tells_what_moved_from_what_is_noise(tmp_path):
    file = tmp_path / "run.json"
    save(file, [make_ratio(0.9, 1.0, 1.1, 1.0, 1.0)], Size.NORMAL)
    save(file, [Ratio("start", [2.0], line="{name}")], Size.FULL)
    saved = json.loads(file.read_text())
    assert set(saved) == {"digests", "start"}
    assert saved["digests"] | {"value": 1.0, "must": 1, "aim": 1, "size": "normal"} == saved["digests"]
    assert {"date", "version", "machine"} < set(saved["start"])
    table = format_comparison(
        [make_ratio(1.05, 1.0, 0.95, 1.0), Ratio("start", [2.5]), Ratio("pages", [4.0])], saved
    ).splitlines()[2:]
    assert [re.split(r"  +", line)[-1] for line in table] == [
        "within noise",
        "MOVED, 1.25 times",
        "not in the saved run",
    ]
    assert "MOVED, 2.00 times" in format_comparison([make_ratio(2.0, 2.0, 2.1)], saved)
