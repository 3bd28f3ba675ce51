"""Modules that contain others: a key with a module may call everything that the module contains. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

# Limit for one module, directly or through others.
MAX_CONTAINED = 100

Name = TypeVar("Name", bound=Hashable)


class BadContainment(ValueError):
    """The module `name` contains itself or too many others; `advice` is what would be valid."""

    def __init__(self, name: str, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.name, self.advice = name, advice


def expand_contained(granted: Iterable[Name], contained: Mapping[Name, Collection[Name]]) -> frozenset[Name]:
    """Return the granted modules and all that they contain. `contained` is the result of resolve_containment, by slug
    or ID."""
    granted = frozenset(granted)
    return granted.union(*(contained.get(name, ()) for name in granted)) if contained else granted


def resolve_containment(contains: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """Return everything that each name contains, directly or through others.

    Raise BadContainment for a name that contains itself, or more than MAX_CONTAINED.
    """
    resolved: dict[str, frozenset[str]] = {}
    try:
        order = list(TopologicalSorter(contains).static_order())
    except CycleError as error:
        # graphlib lists the cycle from the contained module to its container.
        *way, last = reversed(error.args[1])
        text = " contains ".join(map(repr, (*way, last)))
        raise BadContainment(last, f"{text}: a module cannot contain itself", "Remove one of these") from error
    for name in order:
        direct = contains.get(name, ())
        resolved[name] = frozenset(direct).union(*(resolved[each] for each in direct))
        if len(resolved[name]) > MAX_CONTAINED:
            problem = f"{name!r} contains {len(resolved[name])} modules"
            raise BadContainment(name, problem, f"Let it contain at most {MAX_CONTAINED}")
    return resolved
