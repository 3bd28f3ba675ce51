"""What granting a module lets a key do, in the words of the API's document. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from keys.apis.document import get_list, operations_by_route
from keys.apis.modules import ModuleOf

# As many operations of a module are named beside its box; how many more there are is said.
MAX_NAMED = 8


class Ability(NamedTuple):
    """What a module lets a key do: the description of its tag; its operations by their summaries, or by route where
    they have none, `more` of them not named; and the names of the modules that it contains."""

    description: str
    operations: tuple[str, ...]
    more: int
    contains: tuple[str, ...]


def abilities_of(document: Mapping[str, Any], modules: Iterable[ModuleOf]) -> dict[str, Ability]:
    """Return what each module lets a key do, by slug. Recordings are left out: they are reached by links alone."""
    modules = list(modules)
    summaries = {
        name: _line(operation.content.get("summary")) for name, operation in operations_by_route(document).items()
    }
    described = {_line(tag["name"]): _line(tag.get("description")) for tag in get_list(document, "tags")}
    names = {module.slug: module.name for module in modules}
    found = {}
    for module in modules:
        said = dict.fromkeys(
            summaries.get((route.method, route.template, frozenset(route.conditions.items())))
            or summaries.get((route.method, route.template, frozenset()))
            or route.text
            for route in module.routes
            if not route.recording
        )
        found[module.slug] = Ability(
            described.get(module.name, ""),
            tuple(said)[:MAX_NAMED],
            max(len(said) - MAX_NAMED, 0),
            tuple(names[slug] for slug in module.contained if slug in names),
        )
    return found


def _line(text: Any) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""
