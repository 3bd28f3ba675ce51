"""Build the modules of an API from the document's tags and operations and the policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.utils.text import slugify

from keys.apis.ambiguity import Claim, list_ambiguous_claims
from keys.apis.document import (
    MAX_NAME_LENGTH,
    MAX_OPERATIONS,
    MAX_TEMPLATE_LENGTH,
    Operation,
    get_list,
    list_operations,
)
from keys.apis.findings import MAX_FINDINGS, Findings, format_found, shorten
from keys.apis.leaving_out import remove_left_out
from keys.apis.policy import ModuleRule, Policy
from keys.apis.route_building import RouteBuilder, RouteSpec
from keys.decision.containment import resolve_containment

# The module of operations without a tag.
UNTAGGED = "Other"
MAX_SLUG_LENGTH = 64
MAX_NAMES_LISTED = 10
_SEPARATORS = re.compile(r"[\s_-]+")


# Routes of each tag by their texts.
RoutesByTag = dict[str, dict[str, RouteSpec]]


class ModuleSpec(NamedTuple):
    """A module as it will be stored."""

    slug: str
    name: str
    number: int | None
    routes: tuple[RouteSpec, ...]
    # Slugs of all modules that it contains, directly or through others, in the order of the modules.
    contained: tuple[str, ...] = ()


def build_modules(
    document: Mapping[str, Any], policy: Policy, findings: Findings, faults: Findings
) -> tuple[ModuleSpec, ...]:
    """Return the modules of a document.

    Faults of its tags, slugs and routes are added to `findings`, and to `faults` those of the policy: tags and
    operations that the document does not have.

    They come in the order of `tags`, then tags not listed there, then operations without a tag. The first of several
    tags counts. A tag without operations makes no module unless the policy says that it contains others. An operation
    that the policy names, exactly or by a pattern, belongs to that module only.
    """
    found = list(list_operations(document))
    if len(found) > MAX_OPERATIONS:
        # check_document reports it.
        return ()
    found = remove_left_out(found, policy.leave_out, faults)
    _check_encoded_slash(found, policy, faults)
    rules = {rule.tag: rule for rule in policy.modules}
    places = {rule.tag: ("modules", str(number)) for number, rule in enumerate(policy.modules)}
    located = _locate_tags(document, found)
    joined = _join_spellings(located, policy, findings)
    listed = [tag for tag in _list_tags(document) if tag not in joined]
    routes = RouteBuilder(document, found, policy, faults)
    tagged = _group_by_tag(found, routes, rules, listed, joined)
    _apply_own_routes(tagged, routes, policy, faults)
    if UNTAGGED in tagged and UNTAGGED not in listed:
        tagged[UNTAGGED] = tagged.pop(UNTAGGED)
    naming = _Naming(located, findings, places, faults)
    modules = {
        tag: naming.build(tag, rules.get(tag), tag_routes.values())
        for tag, tag_routes in tagged.items()
        if tag_routes or (tag in rules and rules[tag].contains)
    }
    if not faults:
        _require_all_in_modules(modules.values(), found, places, faults)
    _check_ambiguity(tuple(modules.values()), found, findings)
    return _resolve_contained(modules, policy, faults)


def _check_encoded_slash(found: Iterable[Operation], policy: Policy, faults: Findings) -> None:
    """Add a fault for each `encoded_slash` of the policy that names no whole path segment."""
    segments = {segment for operation in found for segment in operation.template.split("/")}
    for number, name in enumerate(policy.encoded_slash):
        if f"{{{name}}}" not in segments:
            actual = f"{format_found(name)} is not a whole path segment, as in /{{{name}}}/"
            faults.add(("encoded_slash", str(number)), actual, "Remove it", fatal=True)


def _group_by_tag(
    found: Iterable[Operation],
    routes: RouteBuilder,
    rules: Mapping[str, ModuleRule],
    listed: Iterable[str],
    joined: Mapping[str, str],
) -> RoutesByTag:
    """Return the routes of each tag, the listed tags first, without the operations that the policy names and without
    the routes of tags for which it has routes."""
    tagged: RoutesByTag = {name: {} for name in listed}
    for operation in found:
        tag = operation.tags[0] if operation.tags else UNTAGGED
        tag = joined.get(tag, tag)
        routes_of_tag = tagged.setdefault(tag, {})
        if operation.name not in routes.named and (tag not in rules or not rules[tag].routes):
            routes_of_tag.setdefault((route := routes.build(operation)).text, route)
    return tagged


def _apply_own_routes(tagged: RoutesByTag, routes: RouteBuilder, policy: Policy, faults: Findings) -> None:
    """Set the routes that the policy gives to modules. Add a fault for each of its tags that is nowhere."""
    known = ", ".join(map(shorten, list(tagged)[:MAX_NAMES_LISTED]))
    for number, rule in enumerate(policy.modules):
        if rule.routes:
            tagged[rule.tag] = {route.text: route for route in routes.list_named(number)}
        elif rule.tag not in tagged:
            wrong = f"{format_found(rule.tag)} is not in the document"
            right = f"Use one such as {known}, or give the module its own routes"
            faults.add(("modules", str(number), "tag"), wrong, right, fatal=True)


def _list_tags(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the tags that `tags` lists, each with the pointer to it."""
    found: dict[str, tuple[str, ...]] = {}
    for number, tag in enumerate(get_list(document, "tags")):
        if isinstance(tag, Mapping) and isinstance(name := tag.get("name"), str):
            found.setdefault(name, ("tags", str(number), "name"))
    return found


def _locate_tags(document: Mapping[str, Any], found: Iterable[Operation]) -> dict[str, tuple[str, ...]]:
    """Return the tags that make modules, each with the pointer to its first appearance."""
    places = _list_tags(document)
    for each in found:
        for tag in each.tags[:1]:
            places.setdefault(tag, ("paths", each.place, each.method.lower(), "tags", "0"))
    return places


def _join_spellings(places: Mapping[str, tuple[str, ...]], policy: Policy, findings: Findings) -> dict[str, str]:
    """Return the tags that differ from an earlier one only in case, spaces, hyphens and underscores, with that one.

    Each is a warning. Tags that the policy names stay apart.
    """
    named = {tag for rule in policy.modules for tag in (rule.tag, *rule.contains)}
    first: dict[str, str] = {}
    joined: dict[str, str] = {}
    for tag, place in places.items():
        if tag not in named and (other := first.setdefault(" ".join(_SEPARATORS.split(tag.casefold())), tag)) != tag:
            joined[tag] = other
            actual = f"{format_found(tag)} is spelled {format_found(other)} elsewhere"
            findings.add(place, actual, "Both form one module: use one spelling, or name both in the policy")
    return joined


def _resolve_contained(modules: Mapping[str, ModuleSpec], policy: Policy, faults: Findings) -> tuple[ModuleSpec, ...]:
    """Return the modules with everything that they contain by the policy."""
    for number, rule in enumerate(policy.modules):
        for index, tag in enumerate(rule.contains):
            if tag not in modules:
                known = ", ".join(shorten(name) for name in list(modules)[:MAX_NAMES_LISTED] if name != rule.tag)
                place = ("modules", str(number), "contains", str(index))
                faults.add(place, f"{format_found(tag)} makes no module", f"Use some such as {known}", fatal=True)
    contained = resolve_containment({rule.tag: rule.contains for rule in policy.modules})
    return tuple(
        module._replace(contained=tuple(modules[each].slug for each in modules if each in contained.get(tag, ())))
        for tag, module in modules.items()
    )


class _Naming:
    """Names and slugs of modules, made of their tags."""

    def __init__(
        self,
        places: Mapping[str, tuple[str, ...]],
        findings: Findings,
        rules: Mapping[str, tuple[str, ...]],
        faults: Findings,
    ) -> None:
        # The places of tags in the document, and of those of the policy.
        self.places, self.rules = places, rules
        self.findings, self.faults = findings, faults
        self.by_slug: dict[str, str] = {}

    def build(self, tag: str, rule: ModuleRule | None, routes: Iterable[RouteSpec]) -> ModuleSpec:
        name = " ".join(tag.split())
        slug = (rule.slug if rule else "") or slugify(name)
        if not name or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
            right = f"Use one line of at most {MAX_NAME_LENGTH} characters"
            self._refuse(tag, f"{format_found(tag)} cannot name a module", right)
        elif not slug or len(slug) > MAX_SLUG_LENGTH:
            wrong = f"{format_found(name)} gives no slug of 1 to {MAX_SLUG_LENGTH} letters, digits and hyphens"
            self._refuse(tag, wrong, "Set one in the policy, as in modules: [{tag: ..., slug: ...}]")
        elif (other := self.by_slug.setdefault(slug, tag)) != tag:
            wrong = f"{format_found(name)} has the slug {slug}, like {format_found(other)}"
            self._refuse(
                tag, wrong, "Set another for one of them in the policy, as in modules: [{tag: ..., slug: ...}]"
            )
        return ModuleSpec(slug, name, rule.number if rule else None, tuple(routes))

    def _refuse(self, tag: str, wrong: str, right: str) -> None:
        """Add a fatal finding at the tag in the document, or in the policy if it is only there."""
        if tag in self.places:
            self.findings.add(self.places[tag], wrong, right, fatal=True)
        else:
            self.faults.add((*self.rules[tag], "tag"), wrong, right, fatal=True)


def _require_all_in_modules(
    modules: Iterable[ModuleSpec], found: list[Operation], places: Mapping[str, tuple[str, ...]], faults: Findings
) -> None:
    """Add a fault for each module of the policy whose own routes leave operations of its tag without a module."""
    routes = [route for module in modules for route in module.routes]
    templates = {(route.method, route.template) for route in routes}
    named = {route.text for route in routes}
    without: dict[str, list[str]] = {}
    for operation in found:
        route_text = RouteSpec(operation.method, operation.template, operation.conditions).text
        if route_text not in named if operation.conditions else (operation.method, operation.template) not in templates:
            without.setdefault(operation.tags[0] if operation.tags else UNTAGGED, []).append(operation.name)
    for tag, names in without.items():
        more = f" and {len(names) - MAX_NAMES_LISTED:,} more" if len(names) > MAX_NAMES_LISTED else ""
        one = len(names) == 1
        listed = ", ".join(map(shorten, names[:MAX_NAMES_LISTED])) + more
        why = f"because the tag {format_found(tag)} has its own routes"
        actual = f"{listed} belong{'s' if one else ''} to no module, {why}"
        faults.add((*places[tag], "routes"), actual, f"Add {'it' if one else 'each'} to a module's routes", fatal=True)


def _check_ambiguity(modules: tuple[ModuleSpec, ...], found: list[Operation], findings: Findings) -> None:
    """Add a finding for each route that could match the same call as one of another module, equally specific."""
    places: dict[str, tuple[str, ...]] = {}
    for operation in found:
        place = ("paths", operation.place, operation.method.lower())
        places[RouteSpec(operation.method, operation.template, operation.conditions).text] = place
        places.setdefault(f"{operation.method} {operation.template}", place)
    claims = (
        Claim(module.name, route.method, route.template, route.conditions)
        for module in modules
        for route in module.routes
        if len(route.template) <= MAX_TEMPLATE_LENGTH
    )
    for one, other in list_ambiguous_claims(claims, MAX_FINDINGS):
        mine, theirs = (f"{RouteSpec(*claim[1:]).text} of {claim.module}" for claim in (one, other))
        wrong = f"{theirs} and {mine} are equally specific and could match the same call"
        text, base = RouteSpec(*other[1:]).text, f"{other.method} {other.template}"
        findings.add(
            places.get(text) or places[base], wrong, "Put them into one module, or change one of the paths", fatal=True
        )
