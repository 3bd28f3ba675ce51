"""Twenty-six faults, tried one by one: `python -m tests.faults.table` prints for each what must be answered, what is
recorded, how it recovers, and what was seen. `--full` fills real disks and measures whole figures."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest


class Fault(NamedTuple):
    name: str
    expected: str
    event: str
    recovery: str


REFUSED = "calls: 403 unavailable"
METRIC = "metric of refused calls, a line in the log"
ITSELF = "by itself, with the next call"
FAULTS = {
    1: Fault(
        "kill -9 of a gateway worker",
        "its connections break; no call is allowed without its row",
        "log line",
        "the master starts another",
    ),
    2: Fault(
        "kill -9 of a plane's master",
        "connections break; the other plane goes on",
        "log line of serve",
        "serve starts the plane again",
    ),
    3: Fault(
        "SIGTERM during an export",
        "the file is whole, or the connection is cut",
        "export.finished or export.incomplete",
        "ask for it again",
    ),
    4: Fault("SIGTERM or kill -9 during a reveal", "no token without its event", "key.revealed", "reveal it again"),
    5: Fault("database stopped", REFUSED, METRIC, ITSELF),
    6: Fault("database restarts", f"{REFUSED} until it is back", METRIC, ITSELF),
    7: Fault("database frozen", f"{REFUSED} within the timeout of a call", METRIC, ITSELF),
    8: Fault("database read-only", REFUSED, f"{METRIC}, not ready", ITSELF),
    9: Fault("disk of the database full", REFUSED, METRIC, "by itself once there is room"),
    10: Fault(
        "disk of the log lines full",
        "calls are answered as ever",
        "none: there is no room for it",
        "by itself once there is room",
    ),
    11: Fault("no database connection left", REFUSED, METRIC, ITSELF),
    12: Fault(
        "every place of the queue taken",
        f"{REFUSED} within the timeout of a call",
        "metric of refused calls",
        ITSELF,
    ),
    13: Fault("slow statement", f"{REFUSED} within the statement's timeout", METRIC, ITSELF),
    14: Fault("lock on the table of keys", f"{REFUSED} within the lock's timeout", METRIC, ITSELF),
    15: Fault(
        "deadlock", "503 for the one that is cancelled, nothing half done", "none of what was not done", "do it again"
    ),
    16: Fault("serialization failure", f"{REFUSED}; pages: 503, nothing changed", METRIC, ITSELF),
    17: Fault("slow reader of an export", "the connection is cut", "export.incomplete", "ask for it again"),
    18: Fault("reader of an export hangs up", "nobody is left to answer", "export.incomplete", "ask for it again"),
    19: Fault("cache down", "the limits of sign-ins hold", "signin.failed, as ever", "nothing to recover"),
    20: Fault("cache slow", "the limits of sign-ins hold", "signin.failed, as ever", "nothing to recover"),
    21: Fault("clock of the gateway wrong", "the database's clock decides", "none", "measured anew with each batch"),
    22: Fault("clock jumps back", "the database's clock decides", "none", "measured anew with each batch"),
    23: Fault(
        "sealing key missing or wrong",
        "serve does not start; a token is said to be unreadable",
        "line of serve; key.unreadable",
        "put the key back, or discard_secrets",
    ),
    24: Fault("pepper missing", "serve does not start", "line of serve", "put the pepper back, or discard_secrets"),
    25: Fault(
        "no room for checkpoints", "maintain fails and says so", "alert of a late maintain", "the next run writes one"
    ),
    26: Fault(
        "mail server down", "the change is made", "its event; log line and metric of the mail", "the next mail is sent"
    ),
}


@dataclass(eq=False)
class Collector:
    """What the tests of each fault said."""

    seen: dict[int, list[str]] = field(default_factory=dict)
    outcomes: dict[int, list[str]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = [item for item in items if not item.get_closest_marker("fault")]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for marker in item.iter_markers("fault"):
            item.user_properties.append(("fault", marker.args[0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "fault" and (report.when == "call" or report.outcome != "passed"):
                self.outcomes.setdefault(int(str(value)), []).append(report.outcome)
                figures = [str(text) for kind, text in report.user_properties if kind == "figure"]
                self.seen.setdefault(int(str(value)), []).extend(figures or [report.nodeid.partition("::")[2]])


def list_files() -> list[str]:
    """Return the files whose tests are about a fault: collecting all would take longer than running these."""
    tests = Path(__file__).resolve().parents[1]
    return sorted(str(file) for file in tests.rglob("test_*.py") if "pytest.mark.fault(" in file.read_text())


def describe(collector: Collector) -> list[str]:
    """Return the table's lines and their sum; a fault that was not tried is said to be."""
    lines, good = [], 0
    for number, fault in FAULTS.items():
        outcomes = set(collector.outcomes.get(number, ["not tried"]))
        good += outcomes == {"passed"}
        verdict = "as expected" if outcomes == {"passed"} else ", ".join(sorted(outcomes)).upper()
        lines += [
            f"{number:2}. {fault.name}: {verdict}",
            f"    expected: {fault.expected}",
            f"    event:    {fault.event}",
            f"    recovery: {fault.recovery}",
            *(f"    seen:     {text}" for text in collector.seen.get(number, [])),
        ]
    return [*lines, f"{good} of {len(FAULTS)} faults as expected"]


if __name__ == "__main__":
    collector = Collector()
    status = pytest.main(["-q", *list_files(), *sys.argv[1:]], plugins=[collector])
    sys.stdout.write("\n".join(["", *describe(collector), ""]))
    tried = {number for number, outcomes in collector.outcomes.items() if set(outcomes) == {"passed"}}
    sys.exit(int(status) or int(tried != set(FAULTS)))
