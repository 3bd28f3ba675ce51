"""docs/figures.md: what a run measured replaces what it says of that promise, and leaves the others."""

from __future__ import annotations

import re

from tests import figures


def test_what_was_measured_replaces_its_own_line_alone() -> None:
    before = figures.PAGE.read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", before, re.MULTILINE))
    assert set(rows) <= set(figures.PROMISES)
    measured = {
        "21": {"figure": "4 dumps", "ok": True, "full": True, "on": "1.2.3, 2026-01-02, 2 cores, 24 GB"},
        "24": {"figure": "1 fault", "ok": False, "full": False, "on": "1.2.3"},
    }
    after = figures.page(measured, before)
    now = dict(re.findall(r"^\| (\d+) \| (.*) \|$", after, re.MULTILINE))
    assert now["21"] == f"{figures.PROMISES['21']} | 4 dumps | whole; 1.2.3, 2026-01-02, 2 cores, 24 GB"
    assert now["24"].endswith("| 1 fault | **broken**; 1.2.3")
    assert {line: row for line, row in now.items() if line not in measured} == {
        line: row for line, row in rows.items() if line not in measured
    }
    assert list(now) == sorted(now, key=int)
    assert figures.page({}, after) == after


def test_a_saved_benchmark_replaces_its_own_line_alone() -> None:
    before = figures.page({"21": {"figure": "4 dumps", "ok": True, "full": True}})
    on = {"size": "normal", "version": "1.2.3", "date": "2026-01-02", "machine": "2 cores, 24 GB"}
    saved: dict[str, dict[str, object]] = {
        "verify": {"value": 5.678, "low": 5.5, "high": 5.8, "must": 5, "aim": 7, **on},
        "pages, replays": {"value": 4, "low": 3.5, "high": 4.5, "must": 6, "aim": 4, **on},
        "start": {"value": 1, "low": 1, "high": 1, "must": 5, "aim": 2, **on, "size": "quick"},
        "pages /keys/": {"value": 5, "low": 4, "high": 6, **on},
    }
    after = figures.page({}, before, saved)
    assert after.startswith(before)
    assert after.splitlines()[-2:] == [
        "| pages, replays | 4.00 | 3.50 to 4.50 | 6 | 4 | normal; 1.2.3, 2026-01-02, 2 cores, 24 GB |",
        "| verify | 5.68 | 5.50 to 5.80 | 5 | 7 | normal; 1.2.3, 2026-01-02, 2 cores, 24 GB |",
    ]
    assert figures.page({}, after) == after
    later = figures.page({}, after, {"verify": {**saved["verify"], "value": 7.0}})
    assert later == after.replace("| verify | 5.68 |", "| verify | 7.00 |")


def test_a_run_is_described_by_version_day_and_machine() -> None:
    assert re.fullmatch(r"[\w.]+, \d{4}-\d\d-\d\d, \d+ cores, \d+ GB, load \d+", figures.describe_run())
