"""Medians, tables and last lines, the same for every benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def in_turn(works: Sequence[Callable[[], object]], rounds: int, seconds: float = 0) -> list[float]:
    """Milliseconds that each takes, the median; in turn, so that what else the machine does meets all of them, for so
    many rounds at least and as many more as fit into the time."""
    taken: list[list[float]] = [[] for _ in works]
    until = time.perf_counter() + seconds
    while len(taken[0]) < rounds or time.perf_counter() < until:
        for work, times in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            times.append((time.perf_counter() - began) * 1000)
    return [median(times) for times in taken]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned, the first to the left and all others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, *rows]:
        first, *others = (
            cell.ljust(widths[0]) if not column else cell.rjust(widths[column]) for column, cell in enumerate(row)
        )
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def last_line(name: str, ratio: float, *, must: float, aim: float) -> str:
    return f"{name}: {ratio:.2f} (must {must:g}, aim {aim:g})"
