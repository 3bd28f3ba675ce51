"""Compare two texts line by line for a preview."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice
from typing import NamedTuple

CONTEXT = 3
# Lines of each text that are compared, without common lines at both ends; more would take too long for a page.
MAX_COMPARED = 5_000
MAX_SHOWN = 1_000


class Line(NamedTuple):
    """A line of the comparison. `kind` is "same", "removed", "added", or "gap" for equal lines that are left out."""

    kind: str
    text: str


def compare_texts(old: str, new: str) -> tuple[list[Line], int]:
    """Return the differing lines with CONTEXT around them, at most MAX_SHOWN, and the number of further ones."""
    lines = list(_compare_lines(old.splitlines(), new.splitlines()))
    return lines[:MAX_SHOWN], max(len(lines) - MAX_SHOWN, 0)


def _compare_lines(old: list[str], new: list[str]) -> Iterator[Line]:
    head = _count_common(old, new)
    tail = _count_common(old[head:][::-1], new[head:][::-1])
    if old == new:
        return
    start = max(head - CONTEXT, 0)
    end = max(tail - CONTEXT, 0)
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(before), len(after)) > MAX_COMPARED:
        yield Line("gap", f"These {len(before):,} lines are replaced by {len(after):,}.")
        yield from (Line("removed", text) for text in before)
        yield from (Line("added", text) for text in after)
        return
    for number, group in enumerate(SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT)):
        if number:
            yield Line("gap", "…")
        for operation, i1, i2, j1, j2 in group:
            if operation == "equal":
                yield from (Line("same", text) for text in before[i1:i2])
                continue
            yield from (Line("removed", text) for text in islice(before, i1, i2))
            yield from (Line("added", text) for text in islice(after, j1, j2))


def _count_common(old: list[str], new: list[str]) -> int:
    """Return how many lines are equal from the beginning."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(old), len(new)))
