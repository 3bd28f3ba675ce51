"""The table of faults: each has a test, and what was not tried or failed is said."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.table import FAULTS, Collector, describe

TESTS = Path(__file__).resolve().parents[1]


def test_each_fault_has_a_test_and_each_mark_a_fault() -> None:
    marked = {
        int(number)
        for file in TESTS.rglob("test_*.py")
        for number in re.findall(r"pytest\.mark\.fault\((\d+)\)", file.read_text())
    }
    assert marked == set(FAULTS) == set(range(1, 27))


def test_what_failed_or_was_not_tried_is_said() -> None:
    lines = describe(Collector({1: ["50 kills"]}, {1: ["passed"], 2: ["passed", "failed"], 3: ["skipped"]}))
    assert lines[0] == "1. kill -9 of a gateway worker: as expected".rjust(len(lines[0]))
    assert "    seen:     50 kills" in lines
    assert lines[-1] == "1 of 26 faults as expected"
    assert [line.rpartition(": ")[2] for line in lines if line.strip()[0].isdigit()][1:4] == [
        "FAILED, PASSED",
        "SKIPPED",
        "NOT TRIED",
    ]
