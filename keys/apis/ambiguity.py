"""Find routes of different modules that could match the same call with equal specificity. Pure.

Of several matching routes the gateway lets the most specific decide: a literal segment before a variable one, more
conditions before fewer. If two are equally specific, neither may decide, so both are rejected at import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

from keys.decision.routes import get_specificity

_VARIABLE = re.compile(r"\{[^{}/]+\}")


class Claim(NamedTuple):
    """A route and the module that it belongs to."""

    module: str
    method: str
    template: str
    conditions: Mapping[str, str]


def find_ambiguous_claims(claims: Iterable[Claim]) -> tuple[Claim, Claim] | None:
    """Return the first two claims of different modules that are equally specific and could match the same call."""
    alike: dict[tuple[object, ...], list[Claim]] = {}
    for claim in claims:
        # Only templates with the same literal segments can overlap; a variable segment overlaps with any other.
        segments = zip(claim.template.split("/"), get_specificity(claim.template), strict=True)
        shape = tuple(segment if kind == 0 else kind for segment, kind in segments)
        alike.setdefault((claim.method, len(claim.conditions), shape), []).append(claim)
    for group in alike.values():
        for one, other in _list_candidates(group):
            if one.module != other.module and _overlap(one, other):
                return one, other
    return None


def _list_candidates(group: list[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Yield the pairs whose shared conditions have the same values, without comparing every claim with every other."""
    if len({claim.module for claim in group}) == 1:
        return
    by_names: dict[frozenset[str], list[Claim]] = {}
    for claim in group:
        by_names.setdefault(frozenset(claim.conditions), []).append(claim)
    for mine, theirs in combinations_with_replacement(by_names, 2):
        shared = sorted(mine & theirs)
        buckets: dict[tuple[str, ...], list[Claim]] = {}
        for claim in by_names[mine]:
            buckets.setdefault(tuple(claim.conditions[name] for name in shared), []).append(claim)
        if mine == theirs:
            for bucket in buckets.values():
                yield from combinations(bucket, 2)
            continue
        for other in by_names[theirs]:
            for one in buckets.get(tuple(other.conditions[name] for name in shared), ()):
                yield one, other


def _overlap(one: Claim, other: Claim) -> bool:
    shared = one.conditions.keys() & other.conditions.keys()
    if any(one.conditions[name] != other.conditions[name] for name in shared):
        return False
    pairs = zip(one.template.split("/"), other.template.split("/"), strict=True)
    return all(_segments_overlap(mine, theirs) for mine, theirs in pairs)


def _segments_overlap(mine: str, theirs: str) -> bool:
    """Return whether some text may match both segments; true in doubtful cases."""
    if not _VARIABLE.search(mine) or not _VARIABLE.search(theirs):
        return mine == theirs
    heads, tails = zip(*((parts[0], parts[-1]) for parts in map(_VARIABLE.split, (mine, theirs))), strict=True)
    return _is_prefix_either_way(*heads) and _is_prefix_either_way(*(tail[::-1] for tail in tails))


def _is_prefix_either_way(mine: str, theirs: str) -> bool:
    return mine.startswith(theirs) or theirs.startswith(mine)
