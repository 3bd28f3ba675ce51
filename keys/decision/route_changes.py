"""Determine which routes decide differently about some of their calls after the routes of an API changed. Pure.

A roll-up of calls knows the route that decided, not the paths. If every path of a route still has one answer, the route
is enough. Else the outlines of its paths may show that no call was made on those with another answer; else the calls
themselves must be read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache

from keys.decision.routes import Route

UNLISTED = ""
# A segment with a digit, in an outline of a path.
WITH_DIGIT = "0"
_DIGIT = re.compile("[0-9]")
_VARIABLE = re.compile(r"\{([^{}/]+)\}")


def find_undecided(
    texts: Iterable[str], known: Collection[Route], present: Collection[Route], slashed: Collection[str] = ()
) -> dict[str, Collection[Route] | None]:
    """Return which routes (by text, UNLISTED for calls of no route) do not tell alone what decides about their calls by
    the `present` routes, with the routes that decide about some of these paths instead; None if only the calls tell.

    `known` are the routes among which these once decided; empty if that is not known. `slashed` are the variables for
    which a change allows or forbids encoded slashes.
    """
    by_text = {route.text: route for route in (*known, *present)}
    were, are = {route.text for route in known}, {route.text for route in present}
    by_shape: defaultdict[tuple[str, int], list[Route]] = defaultdict(list)
    for route in present:
        by_shape[_get_shape(route)].append(route)
    undecided: dict[str, Collection[Route] | None] = {}
    for text in texts:
        if text == UNLISTED:
            # A path of no route may have one only if there are new ones.
            if rivals := [route for route in present if route.text not in were]:
                undecided[text] = rivals
            continue
        logged = by_text.get(text) or _parse_literal(text)
        if logged is None or not set(slashed).isdisjoint(_VARIABLE.findall(logged.template)):
            undecided[text] = None
            continue
        # A route that was there before did not decide about these calls. If the route itself is gone, any may now.
        rivals = [other for other in by_shape[_get_shape(logged)] if other.text != text]
        if text in are:
            rivals = [other for other in rivals if other.text not in were]
        rivals = [other for other in rivals if may_overlap(logged, other)]
        if rivals and (_parse_literal(text) is None or any(other.conditions for other in rivals)):
            undecided[text] = rivals
    return undecided


def may_match(routes: Iterable[Route], outlines: Collection[str]) -> bool:
    """Return whether a path with one of these outlines could match one of the routes. An outline is a path with
    WITH_DIGIT for each segment that has a digit."""
    return any(_may_match(route.template, outline) for route in routes for outline in outlines)


def build_path_pattern(routes: Iterable[Route]) -> str:
    """Return a regular expression, of Python and PostgreSQL, that the paths of these routes match."""
    return f"^(?:{'|'.join(sorted({_build_pattern(route.template) for route in routes}))})$"


def _build_pattern(template: str) -> str:
    return "[^/]+".join(map(re.escape, _VARIABLE.split(template)[::2]))


def _may_match(template: str, outline: str) -> bool:
    mine, theirs = template.split("/"), outline.split("/")
    return len(mine) == len(theirs) and all(map(_may_match_segment, mine, theirs))


@lru_cache(maxsize=4096)
def _compile_segment(segment: str) -> re.Pattern[str]:
    return re.compile(_build_pattern(segment))


def _may_match_segment(mine: str, theirs: str) -> bool:
    if theirs == WITH_DIGIT:
        return "{" in mine or _DIGIT.search(mine) is not None
    return _compile_segment(mine).fullmatch(theirs) is not None


def may_overlap(one: Route, other: Route) -> bool:
    """Return whether some call could match both routes. It may say so where none could, but never misses one."""
    if _get_shape(one) != _get_shape(other):
        return False
    conditions = dict(one.conditions)
    if any(conditions.get(name, value) != value for name, value in other.conditions):
        return False
    pairs = zip(one.template.split("/"), other.template.split("/"), strict=True)
    return all(_may_be_equal(mine, theirs) for mine, theirs in pairs)


def _parse_literal(text: str) -> Route | None:
    """Return the route if its text names the path of all its calls."""
    method, _, template = text.partition(" ")
    return None if "{" in template or "?" in template else Route(0, "", method, template)


def _get_shape(route: Route) -> tuple[str, int]:
    return route.method, route.template.count("/")


def _may_be_equal(one: str, other: str) -> bool:
    """Return whether some text could match both segments."""
    mine, theirs = _VARIABLE.split(one), _VARIABLE.split(other)
    if len(mine) == len(theirs) == 1:
        return one == other
    starts, ends = (mine[0], theirs[0]), (mine[-1][::-1], theirs[-1][::-1])
    return _is_prefix(*starts) and _is_prefix(*ends)


def _is_prefix(one: str, other: str) -> bool:
    """Return whether one of the texts starts with the other."""
    return one.startswith(other) or other.startswith(one)
