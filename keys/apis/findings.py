"""Faults in an OpenAPI document: where each stands, what stands there, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# More are counted, not kept: a document of nothing but faults must not make a report larger than itself.
MAX_FINDINGS = 500
MAX_SHOWN_CHARACTERS = 100


class Finding(NamedTuple):
    """One fault. `pointer` leads to it from the document's root (RFC 6901); `fatal` says that the gateway needs it
    right, all others are warnings. `line` and `column` begin with 1; 0 where there is no text."""

    pointer: tuple[str, ...]
    actual: str
    advice: str
    fatal: bool
    line: int = 0
    column: int = 0

    def at(self, line: int, column: int) -> Finding:
        """Return it with its place in the text."""
        return self._replace(line=line, column=column)

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}, " if self.line else ""
        return f"{place}{format_pointer(self.pointer)}: {self.actual}. {self.advice}."


class Findings:
    """Collects faults, each once, at most MAX_FINDINGS fatal ones and as many others."""

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
        """Count a warning that is not kept."""
        self._counts[False] += 1

    @property
    def full(self) -> bool:
        """Whether further warnings would only be counted."""
        return self._counts[False] >= MAX_FINDINGS

    @property
    def omitted(self) -> int:
        """How many faults were found and not kept."""
        return sum(max(count - MAX_FINDINGS, 0) for count in self._counts.values())

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._kept.values())


def format_pointer(pointer: Iterable[str]) -> str:
    """Return a JSON pointer as text; the root, whose pointer is empty, is named."""
    return "".join(f"/{shorten(part).replace('~', '~0').replace('/', '~1')}" for part in pointer) or "document"


def format_found(value: Any) -> str:
    """Return a value as JSON has it, or what kind of thing it is where it is long."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return f'"{shorten(value)}"' if isinstance(value, str) else json.dumps(value)


def shorten(text: str) -> str:
    """Return the beginning of a text, with what cannot be printed escaped."""
    short = text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
    return short if short.isprintable() else short.encode("unicode_escape").decode("ascii")


def format_warnings(count: int) -> str:
    """Return the line above the warnings of a document that is imported."""
    return f"{count:,} warning{'' if count == 1 else 's'}: the gateway does not need what is wrong here"
