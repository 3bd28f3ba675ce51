"""Propose modules for operations that tags do not tell apart, one for each first path segment that does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.utils.text import slugify

from keys.apis.document import MAX_NAME_LENGTH, Operation, list_operations
from keys.apis.modules import UNTAGGED, ModuleSpec
from keys.apis.patterns import matches
from keys.apis.policy import Policy
from keys.apis.policy_parsing import MAX_LENGTH
from keys.apis.rendering import render_policy

# Segments that say nothing about an operation: versions, `api`, and variables.
_UNSPECIFIC = re.compile(r"v[0-9][0-9.a-z_-]*|[0-9][0-9.-]*|api|rest|\{[^{}/]+\}", re.IGNORECASE)
# What may follow the name in a path: further segments, `.json`, `:cancel`, a query.
_NAME = re.compile(r"[^.:?(]+")
# More modules than that nobody would grant one by one.
MAX_PROPOSED = 100
# With more operations, a single tag does not tell them apart.
MAX_OF_ONE_TAG = 20
_ENDINGS = ("", "/*", ".*", ":*", "?*", "(*")


class ProposedModule(NamedTuple):
    """A module to add to the policy: its routes are patterns, `matched` is how many operations they match."""

    name: str
    routes: tuple[str, ...]
    matched: int


def propose_modules(
    document: Mapping[str, Any], policy: Policy, modules: Collection[ModuleSpec]
) -> tuple[ProposedModule, ...]:
    """Return modules for the operations without a tag, or for all if one tag has very many and the policy names no
    modules, in the order of the document; none if paths do not distinguish them."""
    single = len(modules) == 1 and not policy.modules and sum(len(each.routes) for each in modules) > MAX_OF_ONE_TAG
    other = {
        (route.method, route.template)
        for module in modules
        if single or module.name == UNTAGGED
        for route in module.routes
    }
    found = [
        operation
        for operation in list_operations(document)
        if (single or not operation.tags) and (operation.method, operation.template) in other
    ]
    skipped: set[str] = set()
    while len(groups := _group_by_segment(found, skipped)) == 1 and not skipped.issuperset(groups):
        # All paths share this segment, so it does not distinguish them.
        skipped.update(groups)
    if len(groups) > MAX_PROPOSED:
        return ()
    proposed = [_build_proposed_module(prefixes, found) for prefixes in groups.values()]
    slugs = {slugify(name) for name in (*(module.name for module in modules), *(rule.tag for rule in policy.modules))}
    usable = tuple(each for each in proposed if each.routes and slugify(each.name) not in slugs)
    return usable if len(usable) > 1 else ()


def format_proposal(proposed: Collection[ProposedModule], modules: Collection[ModuleSpec]) -> str:
    """Return the proposal as a sentence; empty if there is none."""
    if not proposed:
        return ""
    names = ", ".join(f"{each.name} ({each.matched:,})" for each in proposed)
    subject = "Operations without a tag" if len(modules) > 1 else "All operations"
    name = UNTAGGED if len(modules) > 1 else next(iter(modules)).name
    return f"{subject} form one module, {name}. Their paths suggest these instead: {names}."


def render_with_proposal(rules: Mapping[str, Any], proposed: Iterable[ProposedModule]) -> str:
    """Return the policy as YAML with the proposed modules added, for editing."""
    added = [{"tag": each.name, "routes": list(each.routes)} for each in proposed]
    return render_policy({**rules, "modules": [*rules.get("modules", []), *added]})


def _group_by_segment(found: Iterable[Operation], skipped: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the paths up to the distinguishing segment, with that segment, grouped by its slug."""
    groups: dict[str, dict[str, str]] = {}
    for operation in found:
        path = ""
        for segment in operation.path.split("/")[1:]:
            named = None if _UNSPECIFIC.fullmatch(segment) else _NAME.match(segment)
            slug = slugify(named[0].replace("_", "-")) if named else ""
            if named and slug and slug not in skipped:
                groups.setdefault(slug, {})[f"{path}/{named[0]}"] = named[0]
                break
            path += f"/{segment}"
    return groups


def _build_proposed_module(prefixes: Mapping[str, str], found: Iterable[Operation]) -> ProposedModule:
    names = [operation.name for operation in found]
    patterns = [f"* {prefix}{ending}" for prefix in prefixes for ending in _ENDINGS]
    fitting = (pattern for pattern in patterns if len(pattern) <= MAX_LENGTH and pattern.isprintable())
    routes = tuple(pattern for pattern in fitting if any(matches(pattern, name) for name in names))
    matched = sum(any(matches(pattern, name) for pattern in routes) for name in names)
    return ProposedModule(_format_name(next(iter(prefixes.values()))), routes, matched)


def _format_name(segment: str) -> str:
    """Return the segment as a name: `phone_numbers` becomes "Phone numbers"."""
    name = " ".join(re.sub(r"[^\w]|_", " ", segment).split())[:MAX_NAME_LENGTH]
    return name[:1].upper() + name[1:]
