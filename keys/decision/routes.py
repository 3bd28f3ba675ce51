"""Match calls to the routes of an API by path template and query conditions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from keys.decision import queries


class UnreadablePath(ValueError):
    """Two programs might interpret the path differently. It is refused, not normalised."""


# Fast path: segments of characters that need no decoding, none of them `.` or `..`.
_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?")
_ENCODED_SEPARATOR = re.compile(r"%(?:2[Ff]|5[Cc]|25)")
_ENCODED_SLASH = re.compile(r"%2[Ff]")
_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\;#]|//|/\.{1,2}(?:/|\Z)")


def parse_path(raw: str) -> str:
    """Return the path percent-decoded once, as it is matched and logged; nothing is normalised.

    `raw` is the path of the request line, without query, as latin-1 text of the bytes sent. Raise UnreadablePath for
    what proxies and upstreams are known to interpret differently (Envoy CVE-2021-29492, CVE-2021-32779; oauth2-proxy
    CVE-2026-41059).
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
    """Return the path decoded once except for encoded slashes, which stay `%2F`; None without any, or if it is
    unreadable.

    A decoded path contains no other `%`. An upstream that decodes the slashes must not arrive at another path, so
    `%2F..%2F`, a slash at the end of a segment and adjacent ones are unreadable.
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
    """A route of a module. `conditions` are query parameters, (name, value) decoded, sorted by name."""

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
        """Whether a recording link can open it: a link names one lead ID, so the path must end in its only variable."""
        return self.recording and _LINK.fullmatch(self.template) is not None


class _Pattern(NamedTuple):
    specificity: tuple[int, ...]
    expression: re.Pattern[str]
    route: Route


_NO_SLOTS: dict[str, list[_Pattern]] = {}
_VARIABLE = re.compile(r"\{[^{}/]+\}")
_LINK = re.compile(r"[^{}]*/\{[^{}/]+\}")


class RouteTable:
    """The routes of an API, prepared for matching.

    The most specific matching route decides: a literal segment before a variable one, then more conditions before
    fewer. `conditional` and `recordings` are whether any route has conditions or is a recording's. `encoded_slash` are
    the variables whose value may contain an encoded slash.
    """

    def __init__(self, routes: Iterable[Route], encoded_slash: Iterable[str] = ()) -> None:
        self._encoded_slash = frozenset(f"{{{name}}}" for name in encoded_slash)
        self._literal: dict[tuple[str, str], list[Route]] = {}
        # By method and number of slashes, then by the text before the segment of the first variable: the longest that a
        # path begins with has the most specific patterns, and the cost does not depend on how many begin otherwise.
        self._patterns: dict[tuple[str, int], dict[str, list[_Pattern]]] = {}
        self.conditional = self.recordings = False
        # More conditions first; the stable sort by specificity below keeps that order.
        for route in sorted(routes, key=lambda route: -len(route.conditions)):
            self.conditional = self.conditional or bool(route.conditions)
            self.recordings = self.recordings or route.recording
            if "{" not in route.template:
                self._literal.setdefault((route.method, route.template), []).append(route)
                continue
            slots = self._patterns.setdefault((route.method, route.template.count("/")), {})
            prefix = route.template[: route.template.rfind("/", 0, route.template.index("{")) + 1]
            pattern = _Pattern(get_specificity(route.template), _compile_template(route.template), route)
            slots.setdefault(prefix, []).append(pattern)
        for slots in self._patterns.values():
            for slot in slots.values():
                slot.sort(key=lambda pattern: pattern.specificity)

    def match(self, method: str, path: str, query: str = "") -> Route | None:
        """Return the route that decides, or None. HEAD counts as GET; `query` is as sent."""
        if method == "HEAD":
            method = "GET"
        if self.conditional:
            return self._match_conditions(method, path, query)
        routes = self._literal.get((method, path))
        if routes is not None:
            return routes[0]
        # As in _iter_candidates; a generator would take 1.4 times as long.
        slots, end = self._patterns.get((method, path.count("/")), _NO_SLOTS), path.rfind("/") + 1
        while end and slots:
            for pattern in slots.get(path[:end], ()):
                if pattern.expression.fullmatch(path):
                    return pattern.route
            end = path.rfind("/", 0, end - 1) + 1
        return None

    def accepts_encoded_slash(self, method: str, path: str, query: str) -> bool:
        """Return whether a path with `%2F` matches a route whose variables may contain one at these places."""
        route = self.match(method, path, query) if self._encoded_slash else None
        if route is None or route.recording:
            return False
        segments = zip(route.template.split("/"), path.split("/"), strict=True)
        return all(name in self._encoded_slash for name, value in segments if "%2F" in value)

    def is_unambiguous(self, method: str, path: str, query: str) -> bool:
        """Return whether the parameters that conditions name have only one interpretation."""
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
        """Yield every route of this method and path, whatever its conditions, the most specific first."""
        if method == "HEAD":
            method = "GET"
        yield from self._literal.get((method, path), ())
        slots, end = self._patterns.get((method, path.count("/")), _NO_SLOTS), path.rfind("/") + 1
        while end and slots:
            for pattern in slots.get(path[:end], ()):
                if pattern.expression.fullmatch(path):
                    yield pattern.route
            end = path.rfind("/", 0, end - 1) + 1


def get_specificity(template: str) -> tuple[int, ...]:
    """Return a sort key: the more specific of two templates with the same number of segments sorts first.

    From left to right, a literal segment is more specific than one with a variable among other characters, and that
    more than a variable alone.
    """
    return tuple(
        2 if _VARIABLE.fullmatch(segment) else 1 if _VARIABLE.search(segment) else 0 for segment in template.split("/")
    )


def _compile_template(template: str) -> re.Pattern[str]:
    literals = _VARIABLE.split(template)
    return re.compile("[^/]+".join(re.escape(literal) for literal in literals))
