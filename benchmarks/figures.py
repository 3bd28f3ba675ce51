"""Medians, tables and last lines of all benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def measure_in_turn(works: Sequence[Callable[[], object]], rounds: int, seconds: float = 0) -> list[float]:
    """Return the median milliseconds of each function. They run in turn, so that other load on the machine meets all of
    them, for at least so many rounds and for so many seconds."""
    taken: list[list[float]] = [[] for _ in works]
    until = time.perf_counter() + seconds
    while len(taken[0]) < rounds or time.perf_counter() < until:
        for work, times in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            times.append((time.perf_counter() - began) * 1000)
    return [median(times) for times in taken]


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as text, the first column left-aligned and the others right-aligned."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, *rows]:
        first, *others = (
            cell.ljust(widths[0]) if not column else cell.rjust(widths[column]) for column, cell in enumerate(row)
        )
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
