"""Keyset pagination of the trail and the API log, newest first.

There is no OFFSET and no COUNT, so that the millionth page costs what the first does. A page that looks for rows by
conditions without an index scans MAX_ROWS_SCANNED rows at most and says how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

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
    scan = rows.annotate(
        scanned=Window(RowNumber(), order_by=newest_first),
        matches=ExpressionWrapper(matching, output_field=BooleanField()),
    )[:MAX_ROWS_SCANNED]
    params: tuple[Any, ...]
    sql, params = scan.query.sql_with_params()
    # The last row of the scan is returned even if it does not match: it shows that the scan stopped early. Without an
    # ORDER BY outside, for which the rows would be sorted again, the scan ends as soon as the page is full.
    outer = f"SELECT * FROM ({sql}) AS scan WHERE matches OR scanned = %s LIMIT %s"
    found: list[Any] = list(rows.model.objects.using(rows.db).raw(outer, [*params, MAX_ROWS_SCANNED, size + 1]))
    last = found[-1] if found else None
    if len(found) > size or last is None or last.scanned < MAX_ROWS_SCANNED:
        return _trim_page(found, size)
    return Page([row for row in found if row.matches], last.position, getattr(last, time))


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
