"""Build the routes of an API from its document's operations and what the policy says about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from keys.apis.document import Operation
from keys.apis.findings import Findings, format_found, shorten
from keys.apis.parameters import list_parameters
from keys.apis.patterns import matches
from keys.apis.policy import Policy


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


def format_route(route: Any) -> str:
    """Format a route, described or stored: `GET /reports?menuItemId=101`."""
    query = "&".join(f"{name}={value}" for name, value in sorted(route.conditions.items()))
    return f"{route.method} {route.template}{'?' if query else ''}{query}"


class RouteBuilder:
    """Build routes from a document's operations and the policy's marks. Faults of the policy are added to `faults`."""

    def __init__(self, document: Mapping[str, Any], found: list[Operation], policy: Policy, faults: Findings) -> None:
        self.document, self.policy, self.faults = document, policy, faults
        self.by_name = {operation.name: operation for operation in found}
        self.leads = {
            self._get_name(line, ("adds_leads", str(number))) for number, line in enumerate(policy.adds_leads)
        }
        self.recordings = {
            self._get_recording_name(line, ("recordings", str(number))) for number, line in enumerate(policy.recordings)
        }
        # Operations that the policy names exactly, then those that its patterns match; the first matching pattern wins.
        lines = [_normalize(line) for rule in policy.modules for line in rule.routes]
        self.named = {line for line in lines if line in self.by_name}
        self.matched: dict[str, list[Operation]] = {}
        for number, rule in enumerate(policy.modules):
            for index, line in enumerate(map(_normalize, rule.routes)):
                if "*" in line and line not in self.by_name and line not in self.matched:
                    place = ("modules", str(number), "routes", str(index))
                    self.matched[line] = [self.by_name[name] for name in self._match(line, place)]
                    self.named |= {operation.name for operation in self.matched[line]}

    def build(self, operation: Operation, conditions: Mapping[str, str] | None = None) -> RouteSpec:
        marks = operation.name in self.leads, operation.name in self.recordings
        return RouteSpec(operation.method, operation.template, {**operation.conditions, **(conditions or {})}, *marks)

    def list_named(self, number: int) -> Iterator[RouteSpec]:
        """Yield the routes of the policy's module of that number: those that its patterns match or its lines name."""
        for index, line in enumerate(map(_normalize, self.policy.modules[number].routes)):
            if line in self.matched:
                yield from map(self.build, self.matched[line])
            elif route := self._build_named(line, ("modules", str(number), "routes", str(index))):
                yield route

    def _refuse(self, place: tuple[str, ...], actual: str, advice: str) -> None:
        self.faults.add(place, actual, advice, fatal=True)

    def _match(self, pattern: str, place: tuple[str, ...]) -> list[str]:
        """Return the operations that match the pattern and no earlier line."""
        found = [name for name in self.by_name if matches(pattern, name)]
        free = [name for name in found if name not in self.named]
        if not free:
            why = "only operations that earlier routes include" if found else "no operation of the document"
            self._refuse(place, f"{format_found(pattern)} matches {why}", "Write METHOD and path, such as * /v1/users*")
        return free

    def _build_named(self, line: str, place: tuple[str, ...]) -> RouteSpec | None:
        """Return the route that the policy names as `METHOD path-template?name=value`."""
        if line in self.by_name:
            return self.build(self.by_name[line])
        name, _, query = line.partition("?")
        if (known_name := self._get_name(name, place)) is None:
            return None
        operation = self.by_name[known_name]
        quoted = format_found(line)
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=10) if query else []
        except ValueError:
            self._refuse(place, f"{quoted} has malformed conditions", "Write ?name=value&name=value")
            return None
        conditions = dict(pairs)
        if len(conditions) < len(pairs):
            self._refuse(place, f"{quoted} has two conditions on one parameter", "Use each parameter once")
            return None
        known = {found.name: found for found in list_parameters(self.document, operation) if found.where == "query"}
        for parameter, value in conditions.items():
            if parameter not in known:
                actual = f"{quoted}: the operation has no query parameter {format_found(parameter)}"
                self._refuse(place, actual, f"Use one of {', '.join(map(shorten, known)) or 'none'}")
                return None
            elif known[parameter].values and value not in known[parameter].values:
                actual = f"{quoted}: {format_found(value)} is not a value of {shorten(parameter)}"
                self._refuse(place, actual, f"Use one of {', '.join(map(shorten, known[parameter].values))}")
                return None
        return self.build(operation, conditions)

    def _get_name(self, line: str, place: tuple[str, ...]) -> str | None:
        """Return the line if it names an operation of the document."""
        if (name := _normalize(line)) in self.by_name:
            return name
        like = self.faults.suggest(name, self.by_name)
        advice = f"Write {shorten(like)}" if like else "Write METHOD and path as they are there"
        self._refuse(place, f"{format_found(line)} is not an operation of the document", advice)
        return None

    def _get_recording_name(self, line: str, place: tuple[str, ...]) -> str | None:
        name = self._get_name(line, place)
        method, _, path = (name or "").partition(" ")
        if name and (method != "GET" or path.count("{") != 1 or not path.endswith("}") or "/{" not in path):
            advice = "Write a route such as GET /recordings/{lead_id}"
            self._refuse(place, f"{format_found(line)} does not end in a lead ID", advice)
        return name


def _normalize(line: str) -> str:
    return " ".join(line.split())
