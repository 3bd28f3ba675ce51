"""Describe what granting a module allows, in the words of the API's document. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keys.apis.modules import ModuleSpec
from keys.docs.documentation import Documentation

# How many operations of a module are listed beside its checkbox.
MAX_NAMED = 8


class Ability(NamedTuple):
    """What a module allows.

    `description` is that of its tag; `operations` are summaries, or routes where there is none; `more` is the number of
    operations not listed; `contains` are the names of the modules that it contains.
    """

    description: str
    operations: tuple[str, ...]
    more: int
    contains: tuple[str, ...]


def get_abilities(documentation: Documentation, modules: Iterable[ModuleSpec]) -> dict[str, Ability]:
    """Return what each module allows, by slug. Recordings are left out: only links reach them."""
    modules = list(modules)
    names = {module.slug: module.name for module in modules}
    found = {}
    for module in modules:
        operations = ((documentation.get(route), route) for route in module.routes if not route.recording)
        summaries = dict.fromkeys((operation and operation.summary) or route.text for operation, route in operations)
        found[module.slug] = Ability(
            documentation.tags.get(module.name, ""),
            tuple(summaries)[:MAX_NAMED],
            max(len(summaries) - MAX_NAMED, 0),
            tuple(names[slug] for slug in module.contained if slug in names),
        )
    return found
