"""Leave operations out of an API as its policy says: they belong to no module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from keys.apis.ambiguity import Claim, list_ambiguous_claims
from keys.apis.document import Operation
from keys.apis.findings import MAX_FINDINGS, Findings, format_found
from keys.apis.patterns import matches
from keys.decision.routes import Route, RouteTable

_VARIABLE = re.compile(r"\{[^{}/]+\}")
# Replaces the variables of an operation's path, to find out which other route would match its calls.
_SOME = "\ue000"


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Patterns of paths, of tags, and of operations (`METHOD path`)."""

    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    def list_patterns(self) -> Iterator[tuple[str, int, str]]:
        """Yield kind, number and text of each pattern."""
        for kind in _KINDS:
            for number, pattern in enumerate(getattr(self, kind)):
                yield kind, number, pattern

    def locate(self, operation: Operation) -> tuple[str, str]:
        """Return kind and number of the first pattern that leaves the operation out."""
        return next(
            (kind, str(number))
            for kind, number, pattern in self.list_patterns()
            if any(matches(pattern, name) for name in _KINDS[kind](operation))
        )

    def includes(self, operation: Operation) -> bool:
        """Return whether the operation is left out."""
        return any(
            matches(pattern, name) for kind, _, pattern in self.list_patterns() for name in _KINDS[kind](operation)
        )


# The texts of an operation that each kind of pattern is compared with.
_KINDS: dict[str, Callable[[Operation], Iterable[str]]] = {
    "paths": lambda operation: (operation.path, operation.place),
    "tags": lambda operation: operation.tags,
    "operations": lambda operation: (operation.name,),
}


def remove_left_out(found: Iterable[Operation], leave_out: LeaveOut, faults: Findings) -> list[Operation]:
    """Return the operations that stay.

    Add to `faults` each pattern that matches nothing, each operation whose calls one that stays would match, and that
    none stays.
    """
    found, place = list(found), ("leave_out",)
    for kind, number, pattern in leave_out.list_patterns():
        if not any(matches(pattern, name) for operation in found for name in _KINDS[kind](operation)):
            actual = f"{format_found(pattern)} matches nothing in the document"
            faults.add((*place, kind, str(number)), actual, "Remove it, or write what the document has", fatal=True)
    staying = [operation for operation in found if not leave_out.includes(operation)]
    if found and not staying:
        faults.add(place, "It leaves no operation", "Leave fewer out", fatal=True)
    if len(staying) < len(found):
        excluded = [operation for operation in found if leave_out.includes(operation)]
        for operation, other in _list_overlaps(staying, excluded):
            actual = f"{operation.name} is left out, but {other} would match its calls"
            faults.add((*place, *leave_out.locate(operation)), actual, "Leave out both or neither", fatal=True)
    return staying


def _list_overlaps(staying: list[Operation], excluded: list[Operation]) -> Iterator[tuple[Operation, str]]:
    """Yield operations that are left out, each with the routes that stay and would match its calls."""
    table = RouteTable(
        Route(0, each.name, each.method, each.template, conditions=tuple(each.conditions.items())) for each in staying
    )
    reported = set()
    for operation in excluded:
        path = _VARIABLE.sub(_SOME, operation.template)
        if taking := table.match(operation.method, path, urlencode(operation.conditions, quote_via=quote)):
            reported.add(id(operation))
            yield operation, taking.module
    by_claim = {}
    claims = [Claim("", each.method, each.template, each.conditions) for each in staying]
    for each in excluded:
        if id(each) not in reported:
            claim = Claim("left out", each.method, each.template, each.conditions)
            by_claim[id(claim)] = each
            claims.append(claim)
    for both in list_ambiguous_claims(claims, MAX_FINDINGS):
        left, stays = sorted(both, key=lambda claim: claim.module, reverse=True)
        yield by_claim[id(left)], f"{stays.method} {stays.template}"
