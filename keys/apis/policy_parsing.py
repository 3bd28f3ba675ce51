"""Parse the values of a policy strictly. All faults are collected, each with its place and what would be valid."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from keys.apis.findings import FaultyFile, Findings, Report, format_count, format_found, shorten

FLAGS = ("mask_phone", "hlr_lookup", "recordings")

# The settings of every key besides name and owner, shown where the policy says, else under More settings.
SETTINGS = ("addresses", "ip_lists", "modules", "expiry", "scheduled_rotation", "enabled", *FLAGS)

MAX_LENGTH = 200
MAX_DAYS = 36_500
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MISSING = object()


class BadPolicy(FaultyFile):
    """The policy is invalid."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"The policy cannot be used: it has {format_count(report.total, 'problem')}.", report)


class Setting(NamedTuple):
    """A value of a policy, its place, and the collection that its faults are added to.

    Each `parse_` method returns a valid value in any case, so that parsing goes on after a fault.
    """

    value: Any
    place: tuple[str, ...]
    findings: Findings

    def get(self, name: str, default: Any = _MISSING) -> Setting:
        """Return the setting of that name of a mapping."""
        return self._replace(value=self.value.get(name, default), place=(*self.place, name))

    def add_fault(self, advice: str, actual: str = "") -> None:
        """Add a fault: `actual`, by default the value, and what would be valid."""
        found = "It is missing" if self.value is _MISSING else actual or format_found(self.value)
        self.findings.add(self.place, found, advice, fatal=True)

    def has_mapping(self, known: Collection[str], description: str) -> bool:
        """Return whether the value is a mapping, and add a fault if not; add one for each name that is not known."""
        if not isinstance(self.value, Mapping):
            self.add_fault(f"Write {description}: a mapping with {', '.join(known)}")
            return False
        for name in self.value:
            if name not in known:
                like = self.findings.suggest(name, known)
                advice = f"Write {like}" if like else f"Use one of {', '.join(known)}"
                self.get(name).add_fault(advice, f"{format_found(name)} is unknown in {description}")
        return True

    def list_items(self, description: str) -> list[Setting]:
        """Return the items of a list; none if the value is no list."""
        if not isinstance(self.value, list):
            self.add_fault(f"Write a list of {description}")
            return []
        return [self._replace(value=item, place=(*self.place, str(n))) for n, item in enumerate(self.value)]

    def require_unique(self, name: str) -> None:
        """Add a fault for each item of a list whose setting of that name has the value of an earlier one's."""
        seen = set()
        for number, item in enumerate(self.value if isinstance(self.value, list) else ()):
            value = item.get(name) if isinstance(item, Mapping) else None
            if isinstance(value, (str, int)) and value != "":
                if value in seen:
                    where = self._replace(value=value, place=(*self.place, str(number), name))
                    where.add_fault("Write another, or remove one", f"{format_found(value)} appears twice")
                seen.add(value)

    def parse_line(self, *, empty: bool = False) -> str:
        value = self.value
        if isinstance(value, str) and value.isprintable() and len(value) <= MAX_LENGTH and (value.strip() or empty):
            return value.strip()
        if isinstance(value, (int, float)):
            self.add_fault(f'Write it in quotes: "{format_found(value)}"')
        else:
            self.add_fault(f"Write one line of at most {MAX_LENGTH} characters")
        return ""

    def parse_lines(self) -> tuple[str, ...]:
        return self._require_unique((item, item.parse_line()) for item in self.list_items("strings"))

    def parse_lines_by_name(self, known: Collection[str], description: str) -> dict[str, str]:
        if not self.has_mapping(known, description):
            return {}
        return {name: self.get(name).parse_line() for name in self.value if name in known}

    def parse_choice(self, known: tuple[str, ...]) -> Any:
        """Return the value if it is one of `known`, else the first of these."""
        if isinstance(self.value, str) and self.value in known:
            return self.value
        like = self.findings.suggest(self.value, known) if isinstance(self.value, str) else ""
        self.add_fault(f"Write {like}" if like else f"Use one of {', '.join(known)}")
        return known[0]

    def parse_choices(self, known: tuple[str, ...], *, at_least: int = 0) -> tuple[str, ...]:
        items = self.list_items(f"some of {', '.join(known)}")
        if isinstance(self.value, list) and len(items) < at_least:
            self.add_fault(f"List at least one of {', '.join(known)}")
        return self._require_unique((item, item.parse_choice(known)) for item in items)

    def parse_slug(self) -> str:
        if isinstance(self.value, str) and _SLUG.fullmatch(self.value):
            return self.value
        self.add_fault("Write up to 40 lowercase letters, digits and _, beginning with a letter")
        return ""

    def parse_flag(self) -> bool:
        if isinstance(self.value, bool):
            return self.value
        self.add_fault("Write true or false")
        return False

    def parse_number(self, maximum: int) -> int | None:
        """Return a whole number from 1 to `maximum`, or None if there is none."""
        if self.value is None or (type(self.value) is int and 1 <= self.value <= maximum):
            return self.value
        self.add_fault(f"Write a whole number from 1 to {maximum}")
        return None

    def _require_unique(self, items: Iterator[tuple[Setting, str]]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for item, value in items:
            if value in found and item.value == value:
                item.add_fault("Remove one", f'"{shorten(value)}" appears twice')
            found[value] = None
        return tuple(found)
