"""Figures: what a test measured, under the number of the promise that it proves (`@pytest.mark.quality(N)`).

A run writes them to var/figures.json; `python -m tests.figures` makes docs/figures.md from that file.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "var" / "figures.json"
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
    "30": "No call fails while a host reloads",
    "32": "Documents as the world writes them are imported, hostile ones refused in bounded time and memory",
}
_said: dict[str, list[str]] = {}
_failed: set[str] = set()
# Tests that passed.
_passed: Counter[str] = Counter()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was measured, in one phrase."""
    assert _line(request.node), "a test that gives a figure names its line: @pytest.mark.quality(N)"

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
        }
        for line, said in sorted(_said.items(), key=lambda item: int(item[0]))
    }
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.parent.mkdir(mode=0o700, exist_ok=True)
    _replace_file(json.dumps(known | figures, indent=1) + "\n")
    terminalreporter.section("figures")
    for line, told in figures.items():
        terminalreporter.write_line(f"{line}. {told['figure']}")


def _replace_file(text: str) -> None:
    """Replace FILE at once: a run that ends in the middle, or another that reads, finds a whole file."""
    with tempfile.NamedTemporaryFile("w", dir=FILE.parent, prefix="figures-", delete=False) as file:
        file.write(text)
    os.replace(file.name, FILE)


def page(figures: dict[str, dict[str, object]]) -> str:
    """Return the figures as a document."""
    lines = [
        "# What was measured",
        "",
        "Made by `python -m tests.figures` from the last run of the tests. A sample is what `./test` runs; whole",
        "figures come from `./test --full`.",
        "",
        "| | promise | figure | |",
        "| --- | --- | --- | --- |",
    ]
    for line, told in sorted(figures.items(), key=lambda item: int(item[0])):
        kept = ("whole" if told["full"] else "sample") if told["ok"] else "**broken**"
        lines.append(f"| {line} | {PROMISES[line]} | {told['figure']} | {kept} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(FILE.read_text())))
