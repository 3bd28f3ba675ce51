"""Faults of an OpenAPI document or a policy: the place of each, the value found, and what would be valid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from keys.apis.positions import locate

# Further ones are counted only, so that a report never grows larger than its document.
MAX_FINDINGS = 500
# Of those that have the same advice. Only the first are shown in full, the places of the others in one line.
MAX_ALIKE, MAX_SHOWN_IN_FULL = 50, 3
MAX_SHOWN_CHARACTERS = 100
MAX_COMPARED = 50_000


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

    @property
    def kind(self) -> tuple[bool, str]:
        return self.fatal, self.advice

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}, " if self.line else ""
        return f"{place}{format_pointer(self.pointer)}: {self.actual}. {self.advice}."


@dataclass(frozen=True, slots=True)
class Report(Sequence[Finding]):
    """Findings in the order of the text, fatal ones first. `total` includes those that were only counted."""

    findings: tuple[Finding, ...] = ()
    # The numbers of findings with the same advice, including those that were only counted.
    counts: Mapping[tuple[bool, str], int] = field(default_factory=dict)
    total: int = 0

    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def has_fatal(self) -> bool:
        return any(each.fatal for each in self.findings)

    def list_lines(self) -> list[str]:
        """Format the findings: the first of those with the same advice in full, the others by number and positions."""
        groups: dict[tuple[bool, str], list[Finding]] = {}
        for each in self.findings:
            groups.setdefault(each.kind, []).append(each)
        lines: list[str] = []
        for kind, found in groups.items():
            lines += map(str, found[:MAX_SHOWN_IN_FULL])
            if self.counts[kind] > MAX_SHOWN_IN_FULL:
                lines.append(_format_others(self.counts[kind] - MAX_SHOWN_IN_FULL, found[MAX_SHOWN_IN_FULL:]))
        if remaining := self.total - sum(self.counts.values()):
            lines.append(f"and {remaining:,} of other kinds")
        return lines


def _format_others(count: int, findings: list[Finding]) -> str:
    """Return the line about findings that have the same advice as those before it."""
    places = [f"{each.line}:{each.column}" for each in findings if each.line]
    if places and len(places) < count:
        places.append("…")
    where = f", at line:column {', '.join(places)}" if places else ""
    return f"and {count:,} more like these{where}"


class Findings:
    """Collect faults without duplicates: at most MAX_FINDINGS fatal ones and as many warnings, and of these at most
    MAX_ALIKE with the same advice."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Finding] = {}
        self._kept_counts = Counter[bool]()
        self._counts = Counter[tuple[bool, str]]()
        # Hashes of what was counted only.
        self._counted: set[int] = set()
        self._suggested: dict[tuple[str, int], tuple[str, Collection[str]]] = {}
        self._total = self._compared = 0

    def add(self, pointer: Iterable[str], actual: str, advice: str, *, fatal: bool = False) -> None:
        """Add a fault. A fatal one replaces the same as a warning."""
        found = Finding(tuple(pointer), actual, advice, fatal)
        key = found.pointer, actual, advice
        digest = hash((*key, fatal))
        known = self._kept.get(key)
        if digest in self._counted or (known is not None and known.fatal >= fatal):
            return
        if known is not None:
            self._counts[known.kind] -= 1
            self._kept_counts[known.fatal] -= 1
            self._total -= 1
            del self._kept[key]
        self._total += 1
        if self._counts[found.kind] < MAX_ALIKE and self._kept_counts[fatal] < MAX_FINDINGS:
            self._kept[key] = found
            self._kept_counts[fatal] += 1
            self._counts[found.kind] += 1
            return
        self._counted.add(digest)
        if found.kind in self._counts:
            self._counts[found.kind] += 1

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._kept.values())

    def __bool__(self) -> bool:
        return bool(self._kept)

    def suggest(self, name: str, known: Collection[str]) -> str:
        """Return the known name that is most like this one; empty if none is, or after MAX_COMPARED comparisons, which
        take a while."""
        if (name, id(known)) not in self._suggested:
            self._compared += len(known)
            like = get_close_matches(name[:MAX_SHOWN_CHARACTERS], known, 1) if self._compared <= MAX_COMPARED else []
            # `known` is kept, so that no other has its ID.
            self._suggested[name, id(known)] = (like[0] if like else "", known)
        return self._suggested[name, id(known)][0]

    def list_names(self) -> set[str]:
        """Return the names at the root at or below which there are faults."""
        return {each.pointer[0] for each in self if each.pointer}

    def build_report(self, text: str | None = None) -> Report:
        """Return the findings with lines and columns in `text`, the source that was parsed."""
        sorted_findings = list(self)
        if text is not None and sorted_findings:
            places = locate(text, [each.pointer for each in sorted_findings])
            sorted_findings = [
                each._replace(line=line, column=column)
                for each in sorted_findings
                for line, column in [places[each.pointer]]
            ]
        sorted_findings.sort(key=lambda each: (not each.fatal, each.line, each.column))
        return Report(
            tuple(sorted_findings), {kind: count for kind, count in self._counts.items() if count}, self._total
        )


class FaultyFile(ValueError):
    """A document or a policy that cannot be used.

    `report` has its faults; the text names the place of each and what would be valid.
    """

    def __init__(self, problem: str, report: Report | None = None) -> None:
        self.problem, self.report = problem, report or Report()
        super().__init__("\n".join(self.list_lines()))

    def list_lines(self) -> list[str]:
        return [self.problem, *self.report.list_lines()]


def format_pointer(pointer: Iterable[str]) -> str:
    """Format a JSON pointer as text; the root is "top level"."""
    return "".join(f"/{shorten(part).replace('~', '~0').replace('/', '~1')}" for part in pointer) or "top level"


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


def format_count(count: int, noun: str) -> str:
    """Return the number with the noun: "1 problem", "1,200 problems"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_warnings(count: int) -> str:
    """Return the heading of a document's warnings."""
    return f"{format_count(count, 'warning')} that do{'es' if count == 1 else ''} not affect the gateway"
