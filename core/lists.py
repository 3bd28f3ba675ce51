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

from core.filters.strict import StrictFilterForm

PAGE_SIZE = 50
MAX_PAGE = 200  # whoever needs row 10,001 is better served by the search
NOT_FILTERS = frozenset({"sort", "page", "after", "before"})


class Column(NamedTuple):
    """A sortable column: its heading, the expression it sorts by, and whether the first click sorts in descending
    order."""

    label: str
    expression: Any
    descending_first: bool = False


class Heading(NamedTuple):
    """The link that sorts by a column or reverses its order. `aria_sort` is the value of aria-sort."""

    label: str
    url: str
    aria_sort: str


def build_choice_filter(
    label: str, empty: str, choices: Iterable[tuple[str, str]], method: str = "leave_unchanged"
) -> Any:
    """Return a choice filter whose drop-down carries its label as aria-label."""
    return django_filters.ChoiceFilter(
        label=label,
        empty_label=empty,
        choices=choices,
        method=method,
        widget=forms.Select(attrs={"aria-label": label}),
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


class ListFilter(django_filters.FilterSet):
    """A filter set with `?sort=`. `columns` are the sortable columns by their names in the address."""

    columns: ClassVar[dict[str, Column]]
    default_sort: ClassVar[str]

    class Meta:
        form = StrictFilterForm

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        names = getattr(cls, "columns", {})
        sort = django_filters.ChoiceFilter(
            label="Sort",
            choices=[(sign + name, name) for name in names for sign in ("", "-")],
            widget=forms.HiddenInput,
            method="leave_unchanged",
        )
        return super().get_filters() | {"sort": sort}

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
        for position in ("page", "after", "before"):
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
        asked = self.form.cleaned_data["page"] or 1
        if asked == 1 or self.qs.order_by()[(asked - 1) * PAGE_SIZE :].exists():
            return asked
        return max(1, -(-self.qs.count() // PAGE_SIZE))

    def sort_rows(self) -> QuerySet[Any]:
        expression = self.sort_column.expression
        order = expression.desc(nulls_last=True) if self.is_descending else expression.asc(nulls_first=True)
        return self.qs.order_by(order, "-pk" if self.is_descending else "pk")

    def get_page(self) -> tuple[list[Any], bool]:
        """Return the page's rows, and whether more follow."""
        start = (self.page_number - 1) * PAGE_SIZE
        rows = list(self.sort_rows()[start : start + PAGE_SIZE + 1])
        return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE

    def get_page_links(self, more: bool) -> dict[str, str]:
        """Return the addresses of the `previous` and `next` page, empty where there is none."""
        here = self.page_number
        return {
            "previous": self.build_url(page=str(here - 1)) if here > 1 else "",
            "next": self.build_url(page=str(here + 1)) if more else "",
        }
