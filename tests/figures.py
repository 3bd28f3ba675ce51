"""Figures: what a test measured, under the line of quality.md that it proves (`@pytest.mark.quality(N)`).

A run writes them to var/figures.json, which docs/figures.md is made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "var" / "figures.json"
_said: dict[str, list[str]] = {}
_failed: set[str] = set()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was measured, in one phrase."""
    marker = request.node.get_closest_marker("quality")
    assert marker is not None, "a test that gives a figure names its line: @pytest.mark.quality(N)"
    line = str(marker.args[0])

    def say(text: str) -> None:
        _said.setdefault(line, []).append(text)

    return say


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    marker = item.get_closest_marker("quality")
    if marker is not None and outcome.get_result().failed:  # type: ignore[attr-defined]
        _failed.add(str(marker.args[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _said:
        return
    figures = {
        line: {"figure": "; ".join(said), "ok": line not in _failed, "full": bool(config.getoption("--full"))}
        for line, said in sorted(_said.items(), key=lambda item: int(item[0]))
    }
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.parent.mkdir(mode=0o700, exist_ok=True)
    FILE.write_text(json.dumps(known | figures, indent=1) + "\n")
    terminalreporter.section("figures")
    for line, told in figures.items():
        terminalreporter.write_line(f"{line}. {told['figure']}")
