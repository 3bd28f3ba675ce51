"""The base of the portal's lists: filters, sortable headings and numbered pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from core.filters.fields import build_select
from core.filters.shared import SharedFilters, SharedFilterSet
from core.filters.strict import NOT_FILTERS, StrictFilterForm

PAGE_SIZE = 50
MAX_PAGE = 200  # beyond this, the search is faster
MAX_ROWS_COUNTED = 10_000


class Column(NamedTuple):
    """A sortable column: its heading, the expression it sorts by, and whether the first click sorts in descending
    order."""

    label: str
    expression: Any
    descending_first: bool = False


class Heading(NamedTuple):
    """A column's heading, with the link that sorts by it or reverses its order, empty if it does not sort. `aria_sort`
    is the value of aria-sort. A hidden one is only printed."""

    label: str
    url: str
    aria_sort: str
    is_number: bool = False
    is_clock: bool = False
    is_hidden: bool = False


def build_heading(
    label: str, sorting: Heading | None = None, *, is_number: bool = False, is_clock: bool = False
) -> Heading:
    """Return the heading of a column, which sorts as `sorting` does if that is given."""
    return (sorting or Heading(label, "", ""))._replace(label=label, is_number=is_number, is_clock=is_clock)


class PageRange(NamedTuple):
    """Which rows of a list a page shows: `first` is the number of its first row, 0 if unknown; `total` the number of
    all rows, counted up to MAX_ROWS_COUNTED, or None if they are not counted. `nouns` are the singular and the
    plural."""

    first: int
    shown: int
    total: int | None
    nouns: tuple[str, str]

    @property
    def rows(self) -> str:
        """The rows in words: "51–100", or their number if they are all or the first one's number is unknown."""
        if not self.first or self.shown in (0, self.total):
            return f"{self.shown:,}"
        return f"{self.first:,}" + (f"–{self.first + self.shown - 1:,}" if self.shown > 1 else "")

    @property
    def of_total(self) -> str:
        """The total in words: " of 192", " of 10,000+"; empty if it is not known or all rows are shown."""
        return "" if not self.first or self.total in (None, self.shown) else f" of {format_count(self.total or 0)}"

    @property
    def next(self) -> int | None:
        """The number of the next page's first row; None if it is unknown."""
        return self.first + self.shown if self.first else None

    @property
    def noun(self) -> str:
        return self.nouns[(self.shown if self.total is None else self.total) != 1]

    def __str__(self) -> str:
        """Return the range in words: "12 keys", "51–100 of 192 keys", "1–50 of 10,000+ keys"."""
        return f"{self.rows}{self.of_total} {self.noun}"


def format_count(count: int) -> str:
    """Return a number of rows that were counted up to MAX_ROWS_COUNTED: "192", or "10,000+"."""
    return f"{count:,}" if count <= MAX_ROWS_COUNTED else f"{MAX_ROWS_COUNTED:,}+"


def count_rows(rows: QuerySet[Any]) -> int:
    """Return the number of rows, at most MAX_ROWS_COUNTED + 1, so that counting costs no more in a longer list."""
    return rows.order_by().values("pk")[: MAX_ROWS_COUNTED + 1].count()


def build_choice_filter(
    label: str, empty: str, choices: Iterable[tuple[str, str]], method: str = "leave_unchanged"
) -> Any:
    """Return a choice filter whose drop-down carries its label as aria-label."""
    return django_filters.ChoiceFilter(
        label=label,
        empty_label=empty,
        choices=choices,
        method=method,
        widget=build_select(label),
    )


def build_word_start_regex(text: str) -> str:
    """Return a PostgreSQL regular expression that matches the start of any word."""
    return rf"(^|[^[:alnum:]]){re.escape(text)}"


def merge_filters(*sent: QueryDict, but: Collection[str]) -> QueryDict:
    """Return the parameters of a request's address and body together, without those named in `but`. A name in both
    occurs twice, which every list rejects."""
    filters = QueryDict(mutable=True)
    for part in sent:
        for name, values in part.lists():
            if name not in but:
                filters.setlist(name, [*filters.getlist(name), *values])
    return filters


class PageFilter(django_filters.Filter):
    field_class = forms.IntegerField


class ListFilter(SharedFilterSet):
    """A filter set with `?sort=`. `columns` are the sortable columns by their names in the address."""

    columns: ClassVar[dict[str, Column]]
    default_sort: ClassVar[str]
    nouns: ClassVar[tuple[str, str]]
    page_size = PAGE_SIZE

    class Meta:
        form = StrictFilterForm

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        columns = getattr(cls, "columns", {})
        sort = django_filters.ChoiceFilter(
            label="Sort",
            choices=[(sign + name, column.label) for name, column in columns.items() for sign in ("", "-")],
            widget=forms.HiddenInput,
            method="leave_unchanged",
        )
        return SharedFilters(super().get_filters() | {"sort": sort})

    def leave_unchanged(self, rows: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        """Return the rows as they are: sort and page are applied after all filters."""
        return rows

    @property
    def active(self) -> dict[str, str]:
        """Return the active filters by name, as typed. Valid after `is_valid`, like the members below."""
        names = (name for name in self.form.fields if name not in NOT_FILTERS)
        return {name: self.data[name] for name in names if self.data.get(name, "").strip()}

    @property
    def descriptions(self) -> list[tuple[str, str]]:
        """Return the active filters as pairs of label and value for people."""
        pairs = []
        for name, value in self.active.items():
            field = self.form.fields[name]
            choices = {str(key): str(word) for key, word in getattr(field, "choices", ())}
            pairs.append((str(field.label or name), choices.get(value, value)))
        return pairs

    @property
    def sort_by(self) -> str:
        return self.form.cleaned_data["sort"] or self.default_sort

    @property
    def sort_column(self) -> Column:
        return self.columns[self.sort_by.removeprefix("-")]

    @property
    def is_descending(self) -> bool:
        return self.sort_by.startswith("-")

    @property
    def headings(self) -> dict[str, Heading]:
        return {name: self._heading(name, column) for name, column in self.columns.items()}

    def _heading(self, name: str, column: Column) -> Heading:
        here = self.sort_by.removeprefix("-") == name
        down = not self.is_descending if here else column.descending_first
        aria_sort = ("descending" if self.is_descending else "ascending") if here else ""
        return Heading(column.label, self.build_url(sort=f"-{name}" if down else name), aria_sort)

    def build_url(self, **changes: str) -> str:
        """Return the list's address with these parameters changed, back at its first page unless they say otherwise."""
        query: QueryDict = self.data.copy()
        for position in ("page", "after", "before", "start"):
            query.pop(position, None)
        for name, value in changes.items():
            query[name] = value
        return f"?{query.urlencode()}"


class PagedFilter(ListFilter):
    """A list with numbered pages (LIMIT and OFFSET), for lists of at most a few thousand rows."""

    page = PageFilter(label="Page", method="leave_unchanged", min_value=1, max_value=MAX_PAGE)

    @cached_property
    def page_number(self) -> int:
        """Return the requested page's number, or the last page's if the list has become shorter."""
        number = self.form.cleaned_data["page"] or 1
        if number == 1 or self.qs.order_by()[(number - 1) * self.page_size :].exists():
            return number
        return max(1, -(-self.qs.count() // self.page_size))

    def sort_rows(self) -> QuerySet[Any]:
        expression = self.sort_column.expression
        order = expression.desc(nulls_last=True) if self.is_descending else expression.asc(nulls_first=True)
        return self.qs.order_by(order, "-pk" if self.is_descending else "pk")

    def get_page(self) -> tuple[list[Any], bool]:
        """Return the page's rows, and whether more follow."""
        start = (self.page_number - 1) * self.page_size
        rows = list(self.sort_rows()[start : start + self.page_size + 1])
        return rows[: self.page_size], len(rows) > self.page_size

    def get_page_range(self, shown: int, more: bool) -> PageRange:
        """Return which rows a page of this many rows shows; they are counted only if there are several pages."""
        start = (self.page_number - 1) * self.page_size
        return PageRange(start + 1, shown, count_rows(self.qs) if more else start + shown, self.nouns)

    def get_page_links(self, more: bool) -> dict[str, str]:
        """Return the addresses of the `previous` and `next` page, empty where there is none."""
        here = self.page_number
        return {
            "previous": self.build_url(page=str(here - 1)) if here > 1 else "",
            "next": self.build_url(page=str(here + 1)) if more else "",
        }
