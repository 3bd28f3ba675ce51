"""Modules that contain others: a key may call what it was granted, and everything that those modules contain. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

# Of one module, through others too.
MAX_CONTAINED = 100

Name = TypeVar("Name", bound=Hashable)


class BadContainment(ValueError):
    """A module that contains itself, or too many; the text names it."""


def expand_contained(granted: Iterable[Name], contained: Mapping[Name, Collection[Name]]) -> frozenset[Name]:
    """Return what was granted and all that it contains. `contained` is resolved (`resolve`), by slugs or by numbers."""
    granted = frozenset(granted)
    return granted.union(*(contained.get(name, ()) for name in granted)) if contained else granted


def resolve_containment(contains: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """Return everything that each name contains, through others too, from what each says itself. Raise BadContainment
    for a name that contains itself or more than MAX_CONTAINED."""
    resolved: dict[str, frozenset[str]] = {}
    try:
        order = list(TopologicalSorter(contains).static_order())
    except CycleError as error:
        # From what is contained to what contains it.
        way = " contains ".join(map(repr, reversed(error.args[1])))
        raise BadContainment(f"{way}: no module contains itself. Take one of them away.") from error
    for name in order:
        mine = contains.get(name, ())
        resolved[name] = frozenset(mine).union(*(resolved[each] for each in mine))
        if len(resolved[name]) > MAX_CONTAINED:
            raise BadContainment(f"{name!r} contains {len(resolved[name])} modules; at most {MAX_CONTAINED} are taken.")
    return resolved
