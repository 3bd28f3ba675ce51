"""Determine which routes decide differently about some of their calls after the routes of an API changed. Pure.

A roll-up of calls knows the route that decided, not the paths. If every path of a route still has one answer, the route
is enough; else the calls themselves must be read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from keys.decision.routes import Route

UNLISTED = ""
_VARIABLE = re.compile(r"\{([^{}/]+)\}")


def find_undecided(
    texts: Iterable[str], known: Collection[Route], present: Collection[Route], slashed: Collection[str] = ()
) -> set[str]:
    """Return which routes (by text, UNLISTED for calls of no route) do not tell alone what decides about their calls by
    the `present` routes.

    `known` are the routes among which these once decided; empty if that is not known. `slashed` are the variables for
    which a change allows or forbids encoded slashes.
    """
    by_text = {route.text: route for route in (*known, *present)}
    were, are = {route.text for route in known}, {route.text for route in present}
    by_shape: defaultdict[tuple[str, int], list[Route]] = defaultdict(list)
    for route in present:
        by_shape[_get_shape(route)].append(route)
    undecided = set()
    for text in texts:
        if text == UNLISTED:
            # A path of no route may have one only if there are new ones.
            if are - were:
                undecided.add(text)
            continue
        logged = by_text.get(text)
        if logged is None or not set(slashed).isdisjoint(_VARIABLE.findall(logged.template)):
            undecided.add(text)
            continue
        # A route that was there before did not decide about these calls. If the route itself is gone, any may now.
        rivals = [other for other in by_shape[_get_shape(logged)] if other.text != text]
        if text in are:
            rivals = [other for other in rivals if other.text not in were]
        if any(may_overlap(logged, other) for other in rivals):
            undecided.add(text)
    return undecided


def may_overlap(one: Route, other: Route) -> bool:
    """Return whether some call could match both routes. It may say so where none could, but never misses one."""
    if _get_shape(one) != _get_shape(other):
        return False
    conditions = dict(one.conditions)
    if any(conditions.get(name, value) != value for name, value in other.conditions):
        return False
    pairs = zip(one.template.split("/"), other.template.split("/"), strict=True)
    return all(_may_be_equal(mine, theirs) for mine, theirs in pairs)


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
