"""Faults of an OpenAPI document: the place of each, the value found, and what would be valid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# Further ones are counted only, so that a report never grows larger than its document.
MAX_FINDINGS = 500
MAX_SHOWN_CHARACTERS = 100


class Finding(NamedTuple):
    """One fault.

    `pointer` is its JSON pointer (RFC 6901). `fatal` faults prevent the import, all others are warnings. `line` and
    `column` count from 1; 0 without a source text.
    """

    pointer: tuple[str, ...]
    actual: str
    advice: str
    fatal: bool
    line: int = 0
    column: int = 0

    def at(self, line: int, column: int) -> Finding:
        """Return the finding with its position in the text."""
        return self._replace(line=line, column=column)

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}, " if self.line else ""
        return f"{place}{format_pointer(self.pointer)}: {self.actual}. {self.advice}."


class Findings:
    """Collect faults without duplicates, at most MAX_FINDINGS fatal ones and as many warnings."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[str, ...], str], Finding] = {}
        self._counts = {True: 0, False: 0}

    def add(self, pointer: Iterable[str], stands: str, right: str, *, fatal: bool = False) -> None:
        place = tuple(pointer)
        known = self._kept.get((place, right))
        if known is not None and known.fatal >= fatal:
            return
        self._counts[fatal] += 1
        if known is not None:
            self._counts[known.fatal] -= 1
        if self._counts[fatal] <= MAX_FINDINGS:
            self._kept[place, right] = Finding(place, stands, right, fatal)

    def skip(self) -> None:
        """Count a warning without keeping it."""
        self._counts[False] += 1

    @property
    def is_full(self) -> bool:
        """Whether further warnings would only be counted."""
        return self._counts[False] >= MAX_FINDINGS

    @property
    def omitted(self) -> int:
        """The number of faults that were counted only."""
        return sum(max(count - MAX_FINDINGS, 0) for count in self._counts.values())

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._kept.values())


def format_pointer(pointer: Iterable[str]) -> str:
    """Format a JSON pointer as text; the root is "document"."""
    return "".join(f"/{shorten(part).replace('~', '~0').replace('/', '~1')}" for part in pointer) or "document"


def format_found(value: Any) -> str:
    """Format a value as JSON; a mapping or list by its kind."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return f'"{shorten(value)}"' if isinstance(value, str) else json.dumps(value)


def shorten(text: str) -> str:
    """Return at most MAX_SHOWN_CHARACTERS of the text, with unprintable characters escaped."""
    short = text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
    return short if short.isprintable() else short.encode("unicode_escape").decode("ascii")


def format_warnings(count: int) -> str:
    """Return the heading of a document's warnings."""
    return f"{count:,} warning{'' if count == 1 else 's'} that do{'es' if count == 1 else ''} not affect the gateway"
