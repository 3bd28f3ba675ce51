"""How much a benchmark measures."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Size(Enum):
    """Quick: short rounds, to see that it works. Normal: a figure in under two minutes. Full: the whole figure."""

    QUICK = "quick"
    NORMAL = "normal"
    FULL = "full"

    def choose(self, *, quick: T, normal: T, full: T) -> T:
        """Return the value of this size."""
        return {Size.QUICK: quick, Size.NORMAL: normal, Size.FULL: full}[self]
