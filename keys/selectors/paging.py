"""Keyset pagination of the list of keys, without OFFSET or COUNT: a page costs the same in an account of any size.

Every sort has an index over (account, sort column, key). A page first filters the next MAX_ROWS_SCANNED keys in that
order. If they do not fill the page, fewer than about one key in twenty matches, and the filters' own indexes find the
matches, which are then sorted. The planner does not choose reliably between the two: where a filter correlates with the
sort (the oldest secrets, newest first), its estimate is wrong by the size of the account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.expressions import Combinable, CombinedExpression
from django.utils.dateparse import parse_datetime

from keys.models import Key

MAX_ROWS_SCANNED = 1_000
MAX_BIGINT = 2**63 - 1


class Candidates(NamedTuple):
    """The visible keys, and the condition that they must match.

    `matching` is evaluated row by row on MAX_ROWS_SCANNED keys; `index_filter` is equivalent and written for the
    indexes. Both are empty without filters.
    """

    keys: QuerySet[Key]
    matching: Q = Q()
    index_filter: Q = Q()


class Position(NamedTuple):
    """A cursor: a key's value in the sort column, and its primary key as tie-breaker."""

    place: Any
    key: int

    def __str__(self) -> str:
        """Format the cursor for `?after=` and `?before=`."""
        return f"{self.place.isoformat() if isinstance(self.place, datetime) else self.place}~{self.key}"

    @classmethod
    def parse(cls, text: str, *, timed: bool) -> Position:
        """Parse a cursor of a list sorted by time, or by text. Raise ValidationError if it is malformed."""
        place, _, key = text.rpartition("~")
        try:
            time = parse_datetime(place) if timed else None
            if (timed and (time is None or time.tzinfo is None)) or not 0 < int(key) <= MAX_BIGINT:
                raise ValueError(text)
        except ValueError:
            raise ValidationError(
                f'"{text}" is not a position in this list. Start again from the first page.'
            ) from None
        return cls(time if timed else place, int(key))


class Order(NamedTuple):
    """Sort by an expression over the key's own columns or, if `listed`, over its listing's; the primary key breaks
    ties."""

    expression: Combinable
    listed: bool
    descending: bool

    @property
    def key(self) -> str:
        return "listing__key_id" if self.listed else "pk"

    def apply(self, keys: QuerySet[Any]) -> QuerySet[Any]:
        if self.listed:
            # The index begins with the account; PostgreSQL does not infer this condition from the join.
            keys = keys.filter(listing__account=F("account"))
        sign = "-" if self.descending else ""
        return keys.annotate(place=self.expression).order_by(f"{sign}place", f"{sign}{self.key}")

    def seek(self, keys: QuerySet[Any], position: Position | None) -> QuerySet[Any]:
        """Return the keys after the position, by a row comparison that the index answers at any depth."""
        if position is None:
            return keys
        here = Func(self.expression, F(self.key), function="ROW")
        start = Func(Value(position.place), Value(position.key), function="ROW")
        return keys.filter(CombinedExpression(here, "<" if self.descending else ">", start, BooleanField()))

    @property
    def reversed(self) -> Order:
        return self._replace(descending=not self.descending)


class Page(NamedTuple):
    """The keys of a page in order, and the cursors of the previous and the next page."""

    keys: list[Position]
    before: Position | None
    after: Position | None


def get_page(candidates: Candidates, order: Order, after: Position | None, before: Position | None, size: int) -> Page:
    """Return the page of `size` keys after `after`, or before `before`, or the first page.

    Fall back to the first page if less than a page lies before `before`, and to the last if nothing is left after
    `after`.
    """
    if before is not None:
        found = _find_positions(candidates, order.reversed, before, size)
        if len(found) > size:
            found = found[size - 1 :: -1]
            return Page(found, before=found[0], after=found[-1])
        # Less than a page lies before it: show the whole first page instead.
    found = _find_positions(candidates, order, after, size)
    if after is not None and not found:
        # The rows after it were deleted in the meantime: show the last page.
        found = _find_positions(candidates, order.reversed, None, size)
        if len(found) > size:
            found = found[size - 1 :: -1]
            return Page(found, before=found[0], after=None)
        return Page(found[::-1], before=None, after=None)
    more, found = len(found) > size, found[:size]
    return Page(found, before=found[0] if found and after else None, after=found[-1] if more else None)


def _find_positions(candidates: Candidates, order: Order, start: Position | None, size: int) -> list[Position]:
    """Return the positions of the page after `start`, and one more if there is a next page."""
    keys = order.apply(order.seek(candidates.keys, start))
    if not candidates.matching:
        return [Position(*row) for row in keys.values_list("place", "pk")[: size + 1]]
    next_keys = keys.annotate(matches=ExpressionWrapper(candidates.matching, BooleanField()))
    found = _fetch_positions(
        next_keys.values_list("place", "pk", "matches")[:MAX_ROWS_SCANNED],
        size,
        "(place, key, matches) WHERE matches",
    )
    if len(found) > size:
        return found
    # OFFSET 0 is an optimisation fence: it keeps the planner from scanning the sort's index.
    candidate_rows = keys.filter(candidates.index_filter).order_by().values_list("place", "pk")
    way = "DESC" if order.descending else "ASC"
    return _fetch_positions(candidate_rows, size, f"(place, key) ORDER BY place {way}, key {way}", "OFFSET 0")


def _fetch_positions(keys: QuerySet[Any, Any], size: int, outside: str, inside: str = "") -> list[Position]:
    sql, params = keys.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT place, key FROM ({sql} {inside}) AS found {outside} LIMIT %s", [*params, size + 1])
        return [Position(*row) for row in cursor.fetchall()]
