"""Keyset pagination of the trail and the API log, newest first.

There is no OFFSET and no COUNT, so that the millionth page costs what the first does. A page that looks for rows by
conditions without an index scans MAX_ROWS_SCANNED rows at most, or fewer, and says how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from audit.models import Call, Event
from core.filters.time_range import LogFilter
from core.lists import PAGE_SIZE, PageRange

Row = TypeVar("Row", Call, Event)

# Why not more: docs/adr/0041-filters-without-an-index.md.
MAX_ROWS_SCANNED = 20_000
# Of one key, whose rows lie far apart in the table.
MAX_KEY_ROWS_SCANNED = 2_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page. `after` is the position to continue from, None on the last page. `scanned_until` is the time
    of the last row scanned if the scan stopped after `scanned` rows, otherwise None."""

    rows: Sequence[Row]
    after: str | None
    scanned_until: datetime | None = None
    scanned: int = 0


def get_page(
    rows: QuerySet[Row],
    matching: Q,
    order: tuple[str, ...],
    time: str,
    size: int = PAGE_SIZE,
    max_scanned: int | None = None,
) -> Page[Row]:
    """Return the first `size` of `rows` that pass `matching`, in descending `order`, of the first `max_scanned` rows,
    by default MAX_ROWS_SCANNED. `rows` must already be narrowed to what an index serves, the position included; `time`
    is the field that holds a row's time."""
    max_scanned = max_scanned or MAX_ROWS_SCANNED
    rows = rows.order_by(*[F(name).desc() for name in order])
    if not matching:
        return _trim_page(list(rows[: size + 1]), size)
    scan = _scan(rows, matching, order, size, max_scanned)
    if not scan.is_stopped:
        return _trim_page(_load(rows, scan.positions, order), size)
    last = dict(zip(order, scan.positions[-1], strict=True))
    if time in last:
        # The last row need not be loaded.
        found, end = _load(rows, scan.positions[: scan.matches], order), rows.model(**last)
    else:
        found = _load(rows, scan.positions, order)
        end = found[-1]
    return Page(found[: scan.matches], end.position, getattr(end, time), max_scanned)


class _Scan(NamedTuple):
    """The positions of the `matches` rows that match, and if the scan is stopped behind fewer than a page has, of its
    last row. A position is a row's values of the order's fields."""

    positions: list[tuple[Any, ...]]
    matches: int
    is_stopped: bool


def _scan(rows: QuerySet[Row], matching: Q, order: tuple[str, ...], size: int, max_scanned: int) -> _Scan:
    """Look for the first `size` + 1 rows that match among the next `max_scanned`, reading only the fields of the order
    and the condition."""
    scan = rows.annotate(matches=ExpressionWrapper(matching, output_field=BooleanField())).values(*order, "matches")
    last = rows.values(*order)[max_scanned - 1 : max_scanned]
    found = _fetch_matches(scan[:max_scanned], last, order, size + 1)
    matches = sum(row[-1] for row in found)
    # The last row is there twice if it matches.
    return _Scan(list(dict.fromkeys(row[:-1] for row in found)), matches, is_stopped=matches < len(found))


def _fetch_matches(
    scan: QuerySet[Any], last: QuerySet[Any], order: tuple[str, ...], limit: int
) -> list[tuple[Any, ...]]:
    """Return the first `limit` rows of `scan` that match, or fewer and the row of `last`, which does not count as one.

    PostgreSQL looks for that, in the index, only if `scan` is exhausted; numbering the rows of `scan` instead would
    take it twice as long.
    """
    scan_sql, scan_params = scan.query.sql_with_params()
    last_sql, last_params = last.query.sql_with_params()
    columns = ", ".join(order)
    sql = (
        f"SELECT {columns}, matches FROM ({scan_sql}) AS scan WHERE matches"
        f" UNION ALL (SELECT {columns}, FALSE FROM ({last_sql}) AS last) LIMIT %s"
    )
    with connections[scan.db].cursor() as cursor:
        cursor.execute(sql, [*scan_params, *last_params, limit])
        return cursor.fetchall()


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
