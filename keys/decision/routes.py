"""Which route of an API a call takes: OpenAPI path templates, and query conditions, against one reading. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from keys.decision import queries


class UnreadablePath(ValueError):
    """A path that two programs might read in two ways. It is refused, not repaired."""


# The common case in one look: segments of unreserved characters, none of them `.` or `..`.
_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?")
_ENCODED_SEPARATOR = re.compile(r"%(?:2[Ff]|5[Cc]|25)")
_ENCODED_SLASH = re.compile(r"%2[Ff]")
_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\;#]|//|/\.{1,2}(?:/|\Z)")


def parse_path(raw: str) -> str:
    """The path percent-decoded once, as it is judged, logged and matched; nothing is rewritten.

    `raw` is the path of the request line, without query, as latin-1 text of the bytes sent. Refused is what proxies
    and upstreams are known to read differently (Envoy CVE-2021-29492, CVE-2021-32779; oauth2-proxy CVE-2026-41059).
    """
    if raw and _PLAIN.fullmatch(raw):
        return raw
    if not raw.startswith("/") or _ENCODED_SEPARATOR.search(raw) or _BROKEN_ENCODING.search(raw):
        raise UnreadablePath(raw)
    try:
        path = unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise UnreadablePath(raw) from None
    if _FORBIDDEN.search(path):
        raise UnreadablePath(raw)
    return path


def parse_encoded_slashes(raw: str) -> str | None:
    """Return the path decoded once but for its encoded slashes, which stay as `%2F`; None if there are none, or if it
    is not readable apart from them.

    No other `%` is ever in a decoded path. Whoever decodes the slashes too must find no other path in it, so
    `%2F..%2F`, one at the end of a segment or two beside each other are not readable.
    """
    parts = _ENCODED_SLASH.split(raw)
    if len(parts) == 1 or not raw.startswith("/") or not parts[-1]:
        return None
    try:
        parse_path("/".join(parts))
    except UnreadablePath:
        return None
    return "%2F".join(unquote_to_bytes(part.encode("latin-1")).decode("utf-8") for part in parts)


class Route(NamedTuple):
    """One route of one module. `conditions` are query parameters, (name, value) decoded, sorted by name."""

    module_id: int
    module: str
    method: str
    template: str
    adds_leads: bool = False
    recording: bool = False
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        text = f"{self.method} {self.template}"
        return text + "?" + "&".join(map("=".join, self.conditions)) if self.conditions else text

    @property
    def accepts_link(self) -> bool:
        """A recording link says one lead ID, so it opens nothing whose path says more, or something else."""
        return self.recording and _LINK.fullmatch(self.template) is not None


class _Pattern(NamedTuple):
    specificity: tuple[int, ...]
    expression: re.Pattern[str]
    route: Route


_VARIABLE = re.compile(r"\{[^{}/]+\}")
_LINK = re.compile(r"[^{}]*/\{[^{}/]+\}")


class RouteTable:
    """The routes of one API, ready for matching; of several that match the most specific alone decides: a literal
    segment before a variable one, then more conditions before fewer.

    `conditional` and `recordings`: whether any route has conditions, or is a recording's. `encoded_slash`: the
    variables whose value may hold an encoded slash.
    """

    def __init__(self, routes: Iterable[Route], encoded_slash: Iterable[str] = ()) -> None:
        self._encoded_slash = frozenset(f"{{{name}}}" for name in encoded_slash)
        self._literal: dict[tuple[str, str], list[Route]] = {}
        self._patterns: dict[tuple[str, int], list[_Pattern]] = {}
        self.conditional = self.recordings = False
        # More conditions first; sorting by specificity then keeps that order.
        for route in sorted(routes, key=lambda route: -len(route.conditions)):
            self.conditional = self.conditional or bool(route.conditions)
            self.recordings = self.recordings or route.recording
            if "{" not in route.template:
                self._literal.setdefault((route.method, route.template), []).append(route)
                continue
            slot = self._patterns.setdefault((route.method, route.template.count("/")), [])
            slot.append(_Pattern(get_specificity(route.template), _compile_template(route.template), route))
        for slot in self._patterns.values():
            slot.sort(key=lambda pattern: pattern.specificity)

    def match(self, method: str, path: str, query: str = "") -> Route | None:
        """The deciding route; HEAD counts as GET. `query` as it was sent."""
        if method == "HEAD":
            method = "GET"
        if self.conditional:
            return self._match_conditions(method, path, query)
        routes = self._literal.get((method, path))
        if routes is not None:
            return routes[0]
        for pattern in self._patterns.get((method, path.count("/")), ()):
            if pattern.expression.fullmatch(path):
                return pattern.route
        return None

    def accepts_encoded_slash(self, method: str, path: str, query: str) -> bool:
        """Whether a path with `%2F` takes a route whose variables, where these are, may hold one."""
        route = self.match(method, path, query) if self._encoded_slash else None
        if route is None or route.recording:
            return False
        segments = zip(route.template.split("/"), path.split("/"), strict=True)
        return all(name in self._encoded_slash for name, value in segments if "%2F" in value)

    def is_unambiguous(self, method: str, path: str, query: str) -> bool:
        """Whether the parameters that conditions name can be read in one way only."""
        if not self.conditional or not query:
            return True
        conditions = {condition for route in self._iter_candidates(method, path) for condition in route.conditions}
        return not conditions or queries.is_unambiguous(query, conditions)

    def _match_conditions(self, method: str, path: str, query: str) -> Route | None:
        parameters: dict[str, str] | None = None
        for route in self._iter_candidates(method, path):
            if not route.conditions:
                return route
            if parameters is None:
                parameters = queries.parse_parameters(query)
            if all(parameters.get(name) == value for name, value in route.conditions):
                return route
        return None

    def _iter_candidates(self, method: str, path: str) -> Iterator[Route]:
        """Every route of this method and path whatever its conditions, the most specific first."""
        if method == "HEAD":
            method = "GET"
        yield from self._literal.get((method, path), ())
        for pattern in self._patterns.get((method, path.count("/")), ()):
            if pattern.expression.fullmatch(path):
                yield pattern.route


def get_specificity(template: str) -> tuple[int, ...]:
    """Sorts before another template of as many segments if it is the more specific: a literal segment before one that
    holds a variable among other characters, before one that is a variable, from left to right."""
    return tuple(
        2 if _VARIABLE.fullmatch(segment) else 1 if _VARIABLE.search(segment) else 0 for segment in template.split("/")
    )


def _compile_template(template: str) -> re.Pattern[str]:
    literals = _VARIABLE.split(template)
    return re.compile("[^/]+".join(re.escape(literal) for literal in literals))
