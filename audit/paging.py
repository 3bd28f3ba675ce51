"""Keyset pagination of the trail and the API log, newest first.

There is no OFFSET and no COUNT, so that the millionth page costs what the first does. A page that looks for rows by
conditions without an index scans MAX_ROWS_SCANNED rows at most and says how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from audit.models import Call, Event
from core.filters.time_range import LogFilter
from core.lists import PAGE_SIZE, PageRange

Row = TypeVar("Row", Call, Event)

MAX_ROWS_SCANNED = 100_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page. `after` is the position to continue from, None on the last page. `scanned_until` is the time
    of the last row scanned if the scan stopped at MAX_ROWS_SCANNED, otherwise None."""

    rows: Sequence[Row]
    after: str | None
    scanned_until: datetime | None = None


def get_page(rows: QuerySet[Row], matching: Q, order: tuple[str, ...], time: str, size: int = PAGE_SIZE) -> Page[Row]:
    """Return the first `size` of `rows` that pass `matching`, in descending `order`. `rows` must already be narrowed to
    what an index serves, the position included; `time` is the field that holds a row's time."""
    newest_first = [F(name).desc() for name in order]
    rows = rows.order_by(*newest_first)
    if not matching:
        return _trim_page(list(rows[: size + 1]), size)
    scanned = _scan(rows, matching, order, size)
    found = _load(rows, [each.position for each in scanned], order)
    if not found or len(scanned) > size or scanned[-1].scanned < MAX_ROWS_SCANNED:
        return _trim_page(found, size)
    return Page(found if scanned[-1].matches else found[:-1], found[-1].position, getattr(found[-1], time))


class _Scanned(NamedTuple):
    """A row of a scan: its values of the order's fields, its number in the scan, and whether it matches."""

    position: tuple[Any, ...]
    scanned: int
    matches: bool


def _scan(rows: QuerySet[Row], matching: Q, order: tuple[str, ...], size: int) -> list[_Scanned]:
    """Return the first `size` + 1 of the next MAX_ROWS_SCANNED rows that match, and the last row of the scan.

    It reads only the fields of the order and the condition: to pass whole rows through the window takes PostgreSQL
    twice as long. The last row is returned even if it does not match: it shows that the scan stopped early. Without an
    ORDER BY outside, for which the rows would be sorted again, the scan ends as soon as the page is full.
    """
    scan = rows.annotate(
        scanned=Window(RowNumber(), order_by=[F(name).desc() for name in order]),
        matches=ExpressionWrapper(matching, output_field=BooleanField()),
    ).values(*order, "scanned", "matches")[:MAX_ROWS_SCANNED]
    params: tuple[Any, ...]
    sql, params = scan.query.sql_with_params()
    outer = f"SELECT {', '.join(order)}, scanned, matches FROM ({sql}) AS scan WHERE matches OR scanned = %s LIMIT %s"
    with connections[rows.db].cursor() as cursor:
        cursor.execute(outer, [*params, MAX_ROWS_SCANNED, size + 1])
        return [_Scanned(row[:-2], *row[-2:]) for row in cursor.fetchall()]


def _load(rows: QuerySet[Row], positions: Sequence[tuple[Any, ...]], order: tuple[str, ...]) -> list[Row]:
    """Return the rows at these positions, in their order."""
    if not positions:
        return []
    *_, number = order
    found = rows.filter(**{f"{number}__in": [position[-1] for position in positions]})
    if order[:-1]:
        # Lets PostgreSQL skip whole partitions.
        first, *_ = order
        found = found.filter(**{f"{first}__range": (positions[-1][0], positions[0][0])})
    by_position = {tuple(getattr(row, name) for name in order): row for row in found}
    return [by_position[position] for position in positions if position in by_position]


def build_page_range(
    filters: LogFilter, page: Page[Row], nouns: tuple[str, str], total: int | None = None
) -> PageRange:
    """Return which rows the page shows. The last page knows how many there are."""
    cleaned = filters.form.cleaned_data
    first = cleaned["start"] or (0 if cleaned["after"] else 1)
    if page.after is None and first:
        total = first + len(page.rows) - 1
    return PageRange(first, len(page.rows), total, nouns)


def _trim_page(found: list[Row], size: int) -> Page[Row]:
    """Return the page without the extra row that shows that there is another page."""
    page = found[:size]
    return Page(page, page[-1].position if len(found) > size else None)
