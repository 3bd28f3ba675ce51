"""The table of benchmarks in docs/figures.md, from the ratios that `python -m benchmarks NAME --save FILE` keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A benchmark's last line: what begins otherwise is a promise.
_ROW = re.compile(r"^(\| ([a-z][a-z, -]*) \| \d.*)$", re.MULTILINE)
HEAD = [
    "## Benchmarks",
    "",
    "Each is a ratio to something that ran in turn with it ([scaling.md](scaling.md) says to what), but for seconds",
    "(`start`) and MB (`export-memory`), with the bounds of its noise. `python -m benchmarks NAME --save",
    "var/benchmarks.json` measures it, `python -m tests.figures` writes it here.",
    "",
    "| benchmark | figure | noise | must | aim | measured |",
    "| --- | --- | --- | --- | --- | --- |",
]


def build_table(saved: Mapping[str, Mapping[str, Any]], before: str = "") -> list[str]:
    """Return the lines of the table; a benchmark that was not measured stays as `before` has it."""
    rows = {name: row for row, name in _ROW.findall(before)}
    for name, ratio in saved.items():
        if "must" in ratio and ratio["size"] != "quick":
            noise = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
            on = f"{ratio['size']}; {ratio['version']}, {ratio['date']}, {ratio['machine']}"
            rows[name] = f"| {name} | {ratio['value']:.2f} | {noise} | {ratio['must']:g} | {ratio['aim']:g} | {on} |"
    return [*HEAD, *(rows[name] for name in sorted(rows))] if rows else []
