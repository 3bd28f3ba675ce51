"""Figures: what a test measured, under the number of the promise that it proves (`@pytest.mark.quality(N)`).

A run writes them to var/figures.json. `python -m tests.figures` writes what is in that file, and the benchmarks' ratios
in var/benchmarks.json, into docs/figures.md; `python -m tests.figures 21 24` first measures these promises, whole.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.places import read_version
from tests import benchmark_figures

FILE = Path(__file__).resolve().parents[1] / "var" / "figures.json"
BENCHMARKS = FILE.with_name("benchmarks.json")
PAGE = FILE.parents[1] / "docs" / "figures.md"
PROMISES = {
    "1": "Bad credentials and hostile calls are refused, and only they",
    "2": "No header of a client changes a decision or reaches the API as an identity",
    "3": "The path that is judged is the path that is served",
    "4": "Whatever the gateway answers or does not, nothing opens by itself",
    "5": "Addresses are matched as a slow reference does it",
    "6": "No call that arrives after a revocation's commit is let through",
    "7": "Every call that is let through has its row",
    "8": "Signatures",
    "9": "Everyone sees and does what the table says, and nothing of another account",
    "10": "Guessing passwords ends at the limits",
    "11": "A shown token is nowhere else",
    "12": "Every answer has its headers, and every page is accessible",
    "13": "Secrets are in no sink",
    "14": "Keys survive the rotation of what seals them",
    "15": "A sealed secret opens in its own place alone",
    "16": "Tampering with the trail is found",
    "17": "Parallel writers leave no gap in the trail",
    "18": "Hostile text is stored as it came and breaks nothing",
    "19": "Without its event a change does not happen",
    "20": "Exports are whole, neutral and small in memory",
    "21": "A restored backup is good",
    "22": "Migrations do not hold calls up",
    "23": "Several hosts keep the same promises",
    "24": "Planted faults turn the gates red",
    "25": "The list of a hundred thousand keys is as quick as that of a thousand",
    "26": "Tampering by the database's owner or the application's role is found or refused",
    "27": "Digests prove an account's records with a public key alone",
    "28": "Unauthenticated load stops nobody",
    "29": "A wrong configuration does not start",
    "30": "No call fails while a host reloads, hosts restart in turn, or a version is replaced",
    "31": "What a replay says of a change is what the gateway then does",
    "32": "Documents as the world writes them are imported, hostile ones refused in bounded time and memory",
    "33": "The install guide alone leads to an installation that runs, and runs again after a reboot",
}
_said: dict[str, list[str]] = {}
_failed: set[str] = set()
# Tests that passed.
_passed: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quality", help="only the tests of these promises, such as 21,24")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if chosen := config.getoption("--quality"):
        others = [item for item in items if _line(item) not in chosen.split(",")]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was measured, in one phrase."""
    is_of_a_fault = request.node.get_closest_marker("fault") is not None
    assert _line(request.node) or is_of_a_fault, "a test that gives a figure names its line: @pytest.mark.quality(N)"

    def say(text: str) -> None:
        # Told by the test's report, which reaches the process that sums up, whichever one ran the test.
        request.node.user_properties.append(("figure", text))

    return say


def _line(item: pytest.Item) -> str:
    marker = item.get_closest_marker("quality")
    return str(marker.args[0]) if marker else ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if line := _line(item):
        item.user_properties.append(("quality", line))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    line = next((str(value) for name, value in report.user_properties if name == "quality"), "")
    if line and report.failed:
        _failed.add(line)
    if line and report.when == "call" and report.passed:
        _passed[line] += 1
    if line and report.when == "teardown":
        _said.setdefault(line, []).extend(str(value) for name, value in report.user_properties if name == "figure")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _said:
        return
    figures = {
        line: {
            # Where there is nothing to measure, the tests are what there is to count.
            "figure": "; ".join(said) or f"{_passed[line]} tests passed",
            "ok": line not in _failed,
            "full": bool(config.getoption("--full")),
            "on": describe_run(),
        }
        for line, said in sorted(_said.items(), key=lambda item: int(item[0]))
    }
    if not config.getoption("--fast"):
        known = json.loads(FILE.read_text()) if FILE.exists() else {}
        FILE.parent.mkdir(mode=0o700, exist_ok=True)
        _replace_file(json.dumps(known | figures, indent=1) + "\n")
    terminalreporter.section("figures")
    for line, measured in figures.items():
        terminalreporter.write_line(f"{line}. {measured['figure']}")


def _replace_file(text: str) -> None:
    """Replace FILE at once: a run that ends in the middle, or another that reads, finds a whole file."""
    with tempfile.NamedTemporaryFile("w", dir=FILE.parent, prefix="figures-", delete=False) as file:
        file.write(text)
    os.replace(file.name, FILE)


def describe_run() -> str:
    """Return what figures depend on: the version, the day, the size of the machine and how busy it was."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[2]:.0f}"
    return f"{read_version()}, {datetime.now(UTC):%Y-%m-%d}, {machine}"


def page(
    figures: dict[str, dict[str, object]], before: str = "", benchmarks: dict[str, dict[str, object]] | None = None
) -> str:
    """Return the figures as a document; what was not measured stays as the document has it. `benchmarks` are ratios as
    benchmarks.results saves them."""
    rows = {line: row for row, line in re.findall(r"^(\| (\d+) \| .*)$", before, re.MULTILINE)}
    for line, measured in figures.items():
        kept = ("whole" if measured["full"] else "sample") if measured["ok"] else "**broken**"
        on = f"; {measured['on']}" if "on" in measured else ""
        rows[line] = f"| {line} | {PROMISES[line]} | {measured['figure']} | {kept}{on} |"
    head = [
        "# What was measured",
        "",
        "Written by `python -m tests.figures` from the last run of the tests. A sample is what `./test` runs; whole",
        "figures come from `./test --full`, or for some promises alone from `python -m tests.figures 21 24`. Version,",
        "day and machine are those of the run; the load is the average of its last 15 minutes, the tests' included.",
        "Where it is above the number of cores, other work made times longer; counts are the same.",
        "",
        "| | promise | figure | |",
        "| --- | --- | --- | --- |",
    ]
    table = benchmark_figures.build_table(benchmarks or {}, before)
    return "\n".join([*head, *(rows[line] for line in sorted(rows, key=int)), *(["", *table] if table else [])]) + "\n"


if __name__ == "__main__":
    if chosen := sys.argv[1:]:
        subprocess.call([sys.executable, "-m", "pytest", "-q", "--full", "--quality", ",".join(chosen)])
    measured, benchmarks = (json.loads(file.read_text()) if file.exists() else {} for file in (FILE, BENCHMARKS))
    PAGE.write_text(page(measured, PAGE.read_text(), benchmarks))
