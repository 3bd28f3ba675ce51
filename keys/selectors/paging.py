"""How a page of the list of keys is found: by its keyset, never by OFFSET or COUNT, so that the page of an account with
a hundred thousand keys costs what that of a small one does.

Every sort has an index over (account, what it sorts by, key). A page first looks at the next MAX_ROWS_SCANNED keys of
that order. What fills a page there passes for one key in ten at least; so if the page is not full, few keys match, and
they are looked for by the filters' own indexes and sorted. Left to itself the database guesses which of the two is
cheaper, and where a filter goes with the sort (the oldest secrets, newest first) it guesses wrong by the size of the
account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.expressions import Combinable, CombinedExpression
from django.utils.dateparse import parse_datetime

from core.lists import PAGE_SIZE
from keys.models import Key

MAX_ROWS_SCANNED = 500
MAX_BIGINT = 2**63 - 1


class Candidates(NamedTuple):
    """All keys that may be seen, and which of them match. `matching` is asked of a few hundred keys one by one,
    `index_filter`, which means the same, of all at once; both are empty if there are no filters."""

    keys: QuerySet[Key]
    matching: Q = Q()
    index_filter: Q = Q()


class Position(NamedTuple):
    """A key's place in a sorted list: what it is sorted by, and its number, which parts those that are equal."""

    place: Any
    key: int

    def __str__(self) -> str:
        """As `?after=` and `?before=` carry it."""
        return f"{self.place.isoformat() if isinstance(self.place, datetime) else self.place}~{self.key}"

    @classmethod
    def parse(cls, text: str, *, timed: bool) -> Position:
        """Raises ValidationError for what is no place in a list sorted by times (or by texts)."""
        place, _, key = text.rpartition("~")
        try:
            time = parse_datetime(place) if timed else None
            if (timed and (time is None or time.tzinfo is None)) or not 0 < int(key) <= MAX_BIGINT:
                raise ValueError(text)
        except ValueError:
            raise ValidationError(
                f"“{text}” is not a position in this list. Start again from the first page."
            ) from None
        return cls(time if timed else place, int(key))


class Order(NamedTuple):
    """By an expression over a key's own columns, or over those of its listing; what is equal is parted by the
    key's number."""

    expression: Combinable
    listed: bool
    descending: bool

    @property
    def key(self) -> str:
        return "listing__key_id" if self.listed else "pk"

    def apply(self, keys: QuerySet[Any]) -> QuerySet[Any]:
        if self.listed:
            # The index begins with the account, which the database carries over.
            keys = keys.filter(listing__account=F("account"))
        sign = "-" if self.descending else ""
        return keys.annotate(place=self.expression).order_by(f"{sign}place", f"{sign}{self.key}")

    def seek(self, keys: QuerySet[Any], position: Position | None) -> QuerySet[Any]:
        """The keys behind the position: a comparison of rows, which an index answers at any depth."""
        if position is None:
            return keys
        here = Func(self.expression, F(self.key), function="ROW")
        there = Func(Value(position.place), Value(position.key), function="ROW")
        return keys.filter(CombinedExpression(here, "<" if self.descending else ">", there, BooleanField()))

    @property
    def reversed(self) -> Order:
        return self._replace(descending=not self.descending)


class Page(NamedTuple):
    """The keys, in order, and the positions that the pages before and behind this one start from."""

    keys: list[Position]
    before: Position | None
    after: Position | None


def get_page(candidates: Candidates, order: Order, after: Position | None, before: Position | None) -> Page:
    if before is not None:
        found = _find_positions(candidates, order.reversed, before)
        if len(found) > PAGE_SIZE:
            found = found[PAGE_SIZE - 1 :: -1]
            return Page(found, before=found[0], after=found[-1])
        # Less than a page is left before it: then it is the first page, which is shown whole.
    found = _find_positions(candidates, order, after)
    if after is not None and not found:
        # The rows behind it have gone meanwhile: the last page is shown.
        found = _find_positions(candidates, order.reversed, None)
        if len(found) > PAGE_SIZE:
            found = found[PAGE_SIZE - 1 :: -1]
            return Page(found, before=found[0], after=None)
        return Page(found[::-1], before=None, after=None)
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    return Page(found, before=found[0] if found and after else None, after=found[-1] if more else None)


def _find_positions(candidates: Candidates, order: Order, start: Position | None) -> list[Position]:
    """The keys of the page that follows `start`, and one more."""
    keys = order.apply(order.seek(candidates.keys, start))
    if not candidates.matching:
        return [Position(*row) for row in keys.values_list("place", "pk")[: PAGE_SIZE + 1]]
    next_keys = keys.annotate(matches=ExpressionWrapper(candidates.matching, BooleanField()))
    found = _fetch_positions(
        next_keys.values_list("place", "pk", "matches")[:MAX_ROWS_SCANNED], "(place, key, matches) WHERE matches"
    )
    if len(found) > PAGE_SIZE:
        return found
    # OFFSET 0 keeps the database from walking along the sort's index.
    few = keys.filter(candidates.index_filter).order_by().values_list("place", "pk")
    way = "DESC" if order.descending else "ASC"
    return _fetch_positions(few, f"(place, key) ORDER BY place {way}, key {way}", "OFFSET 0")


def _fetch_positions(keys: QuerySet[Any, Any], outside: str, inside: str = "") -> list[Position]:
    sql, params = keys.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT place, key FROM ({sql} {inside}) AS found {outside} LIMIT %s", [*params, PAGE_SIZE + 1])
        return [Position(*row) for row in cursor.fetchall()]
