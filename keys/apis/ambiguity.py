"""Find routes of different modules that could match the same call with equal specificity. Pure.

Of several matching routes the gateway lets the most specific decide: a literal segment before a variable one, more
conditions before fewer. If two are equally specific, neither may decide, so both are rejected at import.

Routes of one shape are joined with themselves, one segment and then one condition at a time. Only routes that overlap
so far are compared further, so the running time grows with the number of routes, not with the number of pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from keys.decision.routes import get_specificity

_VARIABLE = re.compile(r"\{[^{}/]+\}")


class Claim(NamedTuple):
    """A route and the module that it belongs to."""

    module: str
    method: str
    template: str
    conditions: Mapping[str, str]


def list_ambiguous_claims(claims: Iterable[Claim], limit: int) -> list[tuple[Claim, Claim]]:
    """Return pairs of claims of different modules that are equally specific and could match the same call.

    Every claim that overlaps with one of another module is in at least one pair, until there are `limit` pairs. Pairs
    are sorted, in the order of the claims.
    """
    claims = list(claims)
    by_shape: dict[tuple[object, ...], list[int]] = {}
    for number, claim in enumerate(claims):
        # Only templates with the same literal segments can overlap; a variable segment overlaps with any other.
        segments = zip(claim.template.split("/"), get_specificity(claim.template), strict=True)
        shape = tuple(segment if kind == 0 else kind for segment, kind in segments)
        by_shape.setdefault((claim.method, len(claim.conditions), shape), []).append(number)
    search = _Search(claims, limit)
    for group in by_shape.values():
        search.run(group)
    return [(claims[one], claims[other]) for one, other in sorted(search.pairs)]


class _Join(NamedTuple):
    """Two sets of claims, each claim of one overlapping with each of the other in the first `depth` literals and in the
    conditions named by `checked`."""

    left: list[int]
    right: list[int]
    depth: int
    checked: frozenset[str]


class _Search:
    """Find the pairs among claims of one shape. Claims are identified by their index."""

    def __init__(self, claims: list[Claim], limit: int) -> None:
        self._claims, self._limit = claims, limit
        self._texts: dict[int, tuple[str, ...]] = {}
        self._paired: set[int] = set()
        self.pairs: set[tuple[int, int]] = set()

    def run(self, group: list[int]) -> None:
        if len(group) == 1:
            return
        self._texts = {number: _list_literals(self._claims[number].template) for number in group}
        pending = [_Join(group, group, 0, frozenset())]
        while pending and len(self.pairs) < self._limit:
            join = self._reduce(pending.pop())
            if join.left and join.right and not self._paired.issuperset((*join.left, *join.right)):
                pending += self._split(join)

    def _reduce(self, join: _Join) -> _Join:
        """Remove the claims that are compared only with claims of their own module."""
        mine, theirs = ({self._claims[number].module for number in side} for side in (join.left, join.right))
        right = [number for number in join.right if mine != {self._claims[number].module}]
        left = [number for number in join.left if theirs != {self._claims[number].module}]
        return join._replace(left=left, right=right)

    def _split(self, join: _Join) -> Iterator[_Join]:
        """Yield the joins that overlap in one more literal or condition; if none is left, add the pairs."""
        left, right, depth, checked = join
        if depth < len(self._texts[left[0]]):
            for mine, theirs in self._match_prefixes(left, right, depth, same=True):
                yield _Join(mine, theirs, depth + 1, checked)
            if left != right:
                for theirs, mine in self._match_prefixes(right, left, depth, same=False):
                    yield _Join(mine, theirs, depth + 1, checked)
            return
        name = self._choose_condition(left, right, checked)
        if name is None:
            self._add_pairs(left, right)
            self._add_pairs(right, left)
            return
        left_by_value, right_by_value = self._group_by_value(left, name), self._group_by_value(right, name)
        left_free, right_free = left_by_value.pop(None, []), right_by_value.pop(None, [])
        for value in left_by_value.keys() & right_by_value.keys():
            yield _Join(left_by_value[value], right_by_value[value], depth, checked | {name})
        if left_free:
            yield _Join(left_free, right, depth, checked)
        if right_free:
            yield _Join([number for side in left_by_value.values() for number in side], right_free, depth, checked)

    def _match_prefixes(
        self, left: list[int], right: list[int], depth: int, *, same: bool
    ) -> Iterator[tuple[list[int], list[int]]]:
        """Yield, for each literal in `left`, the claims with it and those of `right` whose literal starts with it.

        Equal literals count only if `same`.
        """
        having: dict[str, list[int]] = {}
        for number in left:
            having.setdefault(self._texts[number][depth], []).append(number)
        lengths = sorted({len(text) for text in having})
        beginning: dict[str, list[int]] = {}
        for number in right:
            text = self._texts[number][depth]
            for length in lengths:
                if length > len(text) or (length == len(text) and not same):
                    break
                if (prefix := text[:length]) in having:
                    beginning.setdefault(prefix, []).append(number)
        for text, numbers in beginning.items():
            yield having[text], numbers

    def _choose_condition(self, left: list[int], right: list[int], checked: frozenset[str]) -> str | None:
        """Return the parameter that is most frequent in the conditions of both sides, or None if they share none."""
        mine, theirs = (
            Counter(name for number in side for name in self._claims[number].conditions) for side in (left, right)
        )
        shared = [name for name in mine if name in theirs and name not in checked]
        return max(shared, key=lambda name: min(mine[name], theirs[name]), default=None)

    def _group_by_value(self, numbers: list[int], name: str) -> dict[str | None, list[int]]:
        groups: dict[str | None, list[int]] = {}
        for number in numbers:
            groups.setdefault(self._claims[number].conditions.get(name), []).append(number)
        return groups

    def _add_pairs(self, left: list[int], right: list[int]) -> None:
        """Add a pair for each of `left` that has none yet, with any of `right` of a different module."""
        first = right[0]
        second = next((number for number in right if self._claims[number].module != self._claims[first].module), None)
        for number in left:
            other = first if self._claims[first].module != self._claims[number].module else second
            if number not in self._paired and other is not None and len(self.pairs) < self._limit:
                self.pairs.add((min(number, other), max(number, other)))
                self._paired |= {number, other}


def _list_literals(template: str) -> tuple[str, ...]:
    """Return the prefix and the reversed suffix of each segment that consists of variables and other characters.

    Some text may match two such segments if one prefix starts with the other, and one reversed suffix with the other.
    This may find an overlap where there is none, but never misses one.
    """
    texts: list[str] = []
    for segment, kind in zip(template.split("/"), get_specificity(template), strict=True):
        if kind == 1:
            parts = _VARIABLE.split(segment)
            texts += [parts[0], parts[-1][::-1]]
    return tuple(texts)
