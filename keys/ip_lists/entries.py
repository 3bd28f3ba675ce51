"""Entries of IP lists and their validation. Shared by forms, import and services."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from keys.decision.addresses import Network, format_network
from keys.key_settings import Invalid
from keys.models import IpListEntry

MAX_NAME_LENGTH = 200
MAX_LIST_DESCRIPTION_LENGTH = 500  # a list's description
MAX_ENTRY_DESCRIPTION_LENGTH = 200  # an entry's
MAX_ENTRIES = 10_000
# How many networks an event names; its digest covers all.
MAX_ENTRIES_NAMED = 100

NO_ENTRIES = "Enter at least one address: a list without entries allows no address."


class Entry(NamedTuple):
    """The values of an entry, as entered or stored."""

    network: Network
    description: str = ""
    enabled: bool = True

    @classmethod
    def from_row(cls, row: IpListEntry) -> Entry:
        return cls(row.network, row.description, row.enabled)

    @property
    def line(self) -> str:
        """The canonical text of the entry, for digests."""
        return f"{self.network}\t{self.description}\t{str(self.enabled).lower()}\n"

    @property
    def stamp(self) -> str:
        """Digest of the entry, to detect that it changed since it was shown."""
        return hashlib.sha256(self.line.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        return {"network": format_network(self.network), "description": self.description, "enabled": self.enabled}

    def admits_more_than(self, other: Entry) -> bool:
        if not self.enabled:
            return False
        same = self.network.version == other.network.version
        return not (other.enabled and same and self.network.subnet_of(other.network))  # type: ignore[arg-type]


class NewList(NamedTuple):
    """A list to be created."""

    name: str
    entries: tuple[Entry, ...] = ()
    description: str = ""


def summarize_entries(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return what an event records of entries: their number, the SHA-256 of their sorted lines, and the first
    networks."""
    ordered = sorted(entries, key=lambda entry: entry.line)
    digest = hashlib.sha256("".join(entry.line for entry in ordered).encode()).hexdigest()
    return {
        "entries": len(ordered),
        "sha256": digest,
        "networks": [format_network(entry.network) for entry in ordered[:MAX_ENTRIES_NAMED]],
    }


def clean_list(name: str, description: str) -> tuple[str, str]:
    """Return a list's name and description stripped. Raise Invalid."""
    name, description = name.strip(), description.strip()
    errors = {}
    if problem := find_text_problem(name, MAX_NAME_LENGTH) if name else "Give the list a name.":
        errors["name"] = problem
    if problem := find_text_problem(description, MAX_LIST_DESCRIPTION_LENGTH):
        errors["description"] = problem
    if errors:
        raise Invalid(errors)
    return name, description


def clean_entries(entries: Iterable[Entry], *, existing: Collection[Network] = ()) -> list[Entry]:
    """Return the new entries with stripped descriptions. `existing` are the list's networks. Raise Invalid for the
    first error."""
    known, tidy = set(existing), []
    for entry in entries:
        entry = entry._replace(description=entry.description.strip())
        if problem := find_text_problem(entry.description, MAX_ENTRY_DESCRIPTION_LENGTH):
            raise Invalid({"description": problem})
        if entry.network in known:
            raise Invalid({"network": format_duplicate(entry.network)})
        known.add(entry.network)
        tidy.append(entry)
    if len(known) > MAX_ENTRIES:
        raise Invalid({"network": format_too_many(len(existing), len(tidy))})
    return tidy


def format_duplicate(network: Network) -> str:
    return f"{format_network(network)} is already on this list. Remove it here, or edit the existing entry."


def format_too_many(existing: int, more: int) -> str:
    most = f"{MAX_ENTRIES:,}"
    return f"A list has at most {most} entries; {existing:,} existing and {more:,} new are too many. Use wider ranges."


def find_text_problem(text: str, longest: int) -> str:
    """Return what is wrong with a line of text; empty if it is valid."""
    if not text.isprintable():
        return f"{text[:50]!r} contains invisible characters. Use letters, digits, punctuation and spaces."
    if len(text) > longest:
        return f"This is {len(text)} characters long. Use at most {longest}."
    return ""
