"""Leave operations out of an API as its policy says: they belong to no module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from keys.apis.ambiguity import Claim, list_ambiguous_claims
from keys.apis.document import Operation
from keys.apis.patterns import matches
from keys.apis.policy_parsing import BadPolicy
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

    def includes(self, operation: Operation) -> bool:
        """Return whether the operation is left out."""
        return any(
            matches(pattern, name) for kind, names in _KINDS.items() for pattern in getattr(self, kind)
            for name in names(operation)
        )  # fmt: skip


# The texts of an operation that each kind of pattern is compared with.
_KINDS: dict[str, Callable[[Operation], Iterable[str]]] = {
    "paths": lambda operation: (operation.path, operation.place),
    "tags": lambda operation: operation.tags,
    "operations": lambda operation: (operation.name,),
}


def remove_left_out(found: Iterable[Operation], leave_out: LeaveOut) -> list[Operation]:
    """Return the operations that stay.

    Raise BadPolicy if a pattern matches nothing, if no operation stays, or if one that stays would match calls of one
    that is left out.
    """
    found = list(found)
    for kind, names in _KINDS.items():
        for pattern in getattr(leave_out, kind):
            if not any(matches(pattern, name) for operation in found for name in names(operation)):
                raise BadPolicy(f"leave_out: {kind}: {pattern!r} matches nothing in the document. Remove it.")
    staying = [operation for operation in found if not leave_out.includes(operation)]
    if found and not staying:
        raise BadPolicy("leave_out leaves no operation. Leave fewer out.")
    if len(staying) < len(found):
        _require_disjoint(staying, [operation for operation in found if leave_out.includes(operation)])
    return staying


def _require_disjoint(staying: list[Operation], gone: list[Operation]) -> None:
    """Raise BadPolicy if a route that stays would match calls of an operation that is left out."""
    table = RouteTable(
        Route(0, each.name, each.method, each.template, conditions=tuple(each.conditions.items())) for each in staying
    )
    for operation in gone:
        path = _VARIABLE.sub(_SOME, operation.template)
        if taking := table.match(operation.method, path, urlencode(operation.conditions, quote_via=quote)):
            raise BadPolicy(_format_overlap(operation.name, taking.module))
    claims = [Claim("", each.method, each.template, each.conditions) for each in staying]
    claims += [Claim("left out", each.method, each.template, each.conditions) for each in gone]
    for both in list_ambiguous_claims(claims, 1):
        left, stays = sorted(both, key=lambda claim: claim.module, reverse=True)
        raise BadPolicy(_format_overlap(f"{left.method} {left.template}", f"{stays.method} {stays.template}"))


def _format_overlap(gone: str, staying: str) -> str:
    return f"leave_out: {gone} is left out, but {staying} would match its calls. Leave out both or neither."
