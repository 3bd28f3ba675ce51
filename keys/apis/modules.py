"""Build the modules of an API from the document's tags and operations and the policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

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
from keys.apis.findings import MAX_FINDINGS, Findings, format_found
from keys.apis.leaving_out import remove_left_out
from keys.apis.parameters import list_parameters
from keys.apis.patterns import matches
from keys.apis.policy import ModuleRule, Policy
from keys.apis.policy_parsing import BadPolicy
from keys.decision.containment import resolve_containment

# The module of operations without a tag.
UNTAGGED = "Other"
MAX_SLUG_LENGTH = 64
MAX_NAMES_LISTED = 10


class RouteSpec(NamedTuple):
    """A route as it will be stored. `conditions` maps query parameters to their required values."""

    method: str
    template: str
    conditions: Mapping[str, str]
    adds_leads: bool = False
    recording: bool = False

    @property
    def text(self) -> str:
        return format_route(self)


class ModuleSpec(NamedTuple):
    """A module as it will be stored."""

    slug: str
    name: str
    number: int | None
    routes: tuple[RouteSpec, ...]
    # Slugs of all modules that it contains, directly or through others, in the order of the modules.
    contained: tuple[str, ...] = ()


def format_route(route: Any) -> str:
    """Format a route, described or stored: `GET /reports?menuItemId=101`."""
    query = "&".join(f"{name}={value}" for name, value in sorted(route.conditions.items()))
    return f"{route.method} {route.template}{'?' if query else ''}{query}"


def build_modules(document: Mapping[str, Any], policy: Policy, findings: Findings) -> tuple[ModuleSpec, ...]:
    """Return the modules of a document, and add faults of its tags, slugs and routes to `findings`.

    They come in the order of `tags`, then tags not listed there, then operations without a tag. The first of several
    tags counts. A tag without operations makes no module unless the policy says that it contains others. An operation
    that the policy names, exactly or by a pattern, belongs to that module only. Raise BadPolicy.
    """
    found = list(list_operations(document))
    if sum(not policy.leave_out.includes(each) for each in found) > MAX_OPERATIONS:
        # The check of the document reports it.
        return ()
    found = remove_left_out(found, policy.leave_out)
    segments = {segment for operation in found for segment in operation.template.split("/")}
    if unknown := next((name for name in policy.encoded_slash if f"{{{name}}}" not in segments), None):
        raise BadPolicy(f"encoded_slash: {unknown!r} is not a whole path segment, as in /{{{unknown}}}/. Remove it.")
    rules = {rule.tag: rule for rule in policy.modules}
    routes = _RouteBuilder(document, found, policy)
    listed = list(_list_tags(document))
    tagged: dict[str, dict[str, RouteSpec]] = {name: {} for name in listed}
    for operation in found:
        tag = operation.tags[0] if operation.tags else UNTAGGED
        own = tagged.setdefault(tag, {})
        if operation.name not in routes.named and (tag not in rules or not rules[tag].routes):
            own.setdefault((route := routes.build(operation)).text, route)
    for rule in policy.modules:
        if rule.routes:
            tagged[rule.tag] = {route.text: route for line in rule.routes for route in routes.list_named(line)}
        elif rule.tag not in tagged:
            raise BadPolicy(
                f"modules: tag: {rule.tag!r} is not in the document. Use one of {', '.join(tagged)}, or give the "
                "module its own routes."
            )
    if UNTAGGED in tagged and UNTAGGED not in listed:
        tagged[UNTAGGED] = tagged.pop(UNTAGGED)
    naming = _Naming(document, found, findings)
    made = {
        tag: naming.build(tag, rules.get(tag), own.values())
        for tag, own in tagged.items()
        if own or (tag in rules and rules[tag].contains)
    }
    _check_routes(tuple(made.values()), found, findings)
    return _resolve_contained(made, policy)


def _list_tags(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the tags that `tags` lists, each with the pointer to it."""
    found: dict[str, tuple[str, ...]] = {}
    for number, tag in enumerate(get_list(document, "tags")):
        if isinstance(tag, Mapping) and isinstance(name := tag.get("name"), str):
            found.setdefault(name, ("tags", str(number), "name"))
    return found


def _resolve_contained(made: Mapping[str, ModuleSpec], policy: Policy) -> tuple[ModuleSpec, ...]:
    """Return the modules with everything that they contain by the policy."""
    for rule in policy.modules:
        if unknown := next((tag for tag in rule.contains if tag not in made), None):
            raise BadPolicy(
                f"modules: contains: {rule.tag!r} contains {unknown!r}, which is not a module of the document. "
                f"Use some of {', '.join(tag for tag in made if tag != rule.tag)}."
            )
    contained = resolve_containment({rule.tag: rule.contains for rule in policy.modules})
    return tuple(
        module._replace(contained=tuple(made[each].slug for each in made if each in contained.get(tag, ())))
        for tag, module in made.items()
    )


class _Naming:
    """Names and slugs of modules, made of their tags."""

    def __init__(self, document: Mapping[str, Any], found: Iterable[Operation], findings: Findings) -> None:
        self.findings = findings
        self.places = _list_tags(document)
        for each in found:
            for tag in each.tags[:1]:
                self.places.setdefault(tag, ("paths", each.place, each.method.lower(), "tags", "0"))
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
        """Add a fatal finding at the tag. Raise BadPolicy if it is in the policy only."""
        if tag not in self.places:
            raise BadPolicy(f"modules: tag: {wrong}. {right}.")
        self.findings.add(self.places[tag], wrong, right, fatal=True)


class _RouteBuilder:
    """Build routes from a document's operations and the policy's marks."""

    def __init__(self, document: Mapping[str, Any], found: list[Operation], policy: Policy) -> None:
        self.document = document
        self.by_name = {operation.name: operation for operation in found}
        self.leads = {self._get_operation_name(line, "adds_leads") for line in policy.adds_leads}
        self.recordings = {self._get_recording_name(line) for line in policy.recordings}
        lines = [" ".join(line.split()) for rule in policy.modules for line in rule.routes]
        # Operations that the policy names exactly, then those that its patterns match; the first matching pattern wins.
        self.named = {line for line in lines if line in self.by_name}
        self.matched: dict[str, list[Operation]] = {}
        for line in lines:
            if "*" in line and line not in self.by_name:
                self.matched[line] = [self.by_name[name] for name in self._match(line)]
                self.named |= {operation.name for operation in self.matched[line]}

    def build(self, operation: Operation, conditions: Mapping[str, str] | None = None) -> RouteSpec:
        marks = operation.name in self.leads, operation.name in self.recordings
        return RouteSpec(operation.method, operation.template, {**operation.conditions, **(conditions or {})}, *marks)

    def list_named(self, line: str) -> list[RouteSpec]:
        """Return the routes of a line of the policy: those that its pattern matches, or the one that it names."""
        line = " ".join(line.split())
        return (
            [self.build(operation) for operation in self.matched[line]]
            if line in self.matched
            else [self._build_named(line)]
        )

    def _match(self, pattern: str) -> list[str]:
        """Return the operations that match the pattern and no earlier line."""
        found = [name for name in self.by_name if matches(pattern, name)]
        free = [name for name in found if name not in self.named]
        if not free:
            why = "only operations that earlier routes include" if found else "no operation of the document"
            raise BadPolicy(f"modules: routes: {pattern!r} matches {why}. Write METHOD and path, such as * /v1/users*.")
        return free

    def _build_named(self, line: str) -> RouteSpec:
        """Return the route that the policy names as `METHOD path-template?name=value`. Raise BadPolicy."""
        if (whole := " ".join(line.split())) in self.by_name:
            return self.build(self.by_name[whole])
        name, _, query = line.partition("?")
        operation = self.by_name[self._get_operation_name(name, "modules: routes")]
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=10) if query else []
        except ValueError:
            raise BadPolicy(
                f"modules: routes: {line!r} has malformed conditions. Write ?name=value&name=value."
            ) from None
        conditions = dict(pairs)
        if len(conditions) < len(pairs):
            raise BadPolicy(f"modules: routes: {line!r} has two conditions on one parameter. Use each parameter once.")
        known = {found.name: found for found in list_parameters(self.document, operation) if found.where == "query"}
        for parameter, value in conditions.items():
            if parameter not in known:
                raise BadPolicy(
                    f"modules: routes: {line!r}: the operation has no query parameter {parameter!r}. "
                    f"Use one of {', '.join(known) or 'none'}."
                )
            if known[parameter].values and value not in known[parameter].values:
                raise BadPolicy(
                    f"modules: routes: {line!r}: {value!r} is not a value of {parameter}. "
                    f"Use one of {', '.join(known[parameter].values)}."
                )
        return self.build(operation, conditions)

    def _get_operation_name(self, line: str, key: str) -> str:
        name = " ".join(line.split())
        if name not in self.by_name:
            raise BadPolicy(
                f"{key}: {line!r} is not an operation of the document. Write METHOD and path as they are there."
            )
        return name

    def _get_recording_name(self, line: str) -> str:
        name = self._get_operation_name(line, "recordings")
        method, _, path = name.partition(" ")
        if method != "GET" or path.count("{") != 1 or not path.endswith("}") or "/{" not in path:
            raise BadPolicy(
                f"recordings: {line!r} does not end in a lead ID. Write a route such as GET /recordings/{{lead_id}}."
            )
        return name


def _check_routes(modules: tuple[ModuleSpec, ...], found: list[Operation], findings: Findings) -> None:
    templates = {(route.method, route.template) for module in modules for route in module.routes}
    named = {route.text for module in modules for route in module.routes}
    places: dict[str, tuple[str, ...]] = {}
    without: list[str] = []
    for operation in found:
        whole = RouteSpec(operation.method, operation.template, operation.conditions).text
        if whole not in named if operation.conditions else (operation.method, operation.template) not in templates:
            without.append(operation.name)
        place = ("paths", operation.place, operation.method.lower())
        places[whole] = place
        places.setdefault(f"{operation.method} {operation.template}", place)
    if without:
        more = f" and {len(without) - MAX_NAMES_LISTED:,} more" if len(without) > MAX_NAMES_LISTED else ""
        raise BadPolicy(
            f"modules: {', '.join(without[:MAX_NAMES_LISTED])}{more} belong{'s' if len(without) == 1 else ''} to none, "
            "because the tag has its own routes. Add each to one of them."
        )
    claims = (
        Claim(module.name, route.method, route.template, route.conditions)
        for module in modules
        for route in module.routes
        if len(route.template) <= MAX_TEMPLATE_LENGTH
    )
    for one, other in list_ambiguous_claims(claims, MAX_FINDINGS):
        mine, theirs = (f"{RouteSpec(*claim[1:]).text} of {claim.module}" for claim in (one, other))
        wrong = f"{theirs} and {mine} are equally specific and could match the same call"
        text, bare = RouteSpec(*other[1:]).text, f"{other.method} {other.template}"
        findings.add(
            places.get(text) or places[bare], wrong, "Put them into one module, or change one of the paths", fatal=True
        )
