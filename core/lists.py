"""What every list of the portal shares: strict filters, headings that sort, and pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict

PAGE_SIZE = 50
MAX_PAGE = 200  # whoever needs row 10,001 is better served by the search
NOT_FILTERS = frozenset({"sort", "page", "after", "before"})


class Column(NamedTuple):
    """A column that sorts: its heading, what it sorts by, and whether its first click sorts downwards."""

    label: str
    expression: Any
    descending_first: bool = False


class Heading(NamedTuple):
    """A click sorts by the column, another the other way round. `aria_sort` is the value of aria-sort."""

    label: str
    url: str
    aria_sort: str


class StrictFilterForm(forms.Form):
    """Knows its fields, and refuses what it does not know."""

    data: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A panel over the list has fields of the same names: an id must not be there twice, or labels miss their field.
        super().__init__(*args, **kwargs | {"auto_id": "filter_%s"})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if unknown := sorted(set(self.data) - set(self.fields)):
            raise ValidationError(f"There is no filter “{'”, “'.join(unknown)}”. There are: {', '.join(self.fields)}.")
        if repeated := sorted(name for name in self.data if len(self.data.getlist(name)) > 1):
            raise ValidationError(f"The filter “{repeated[0]}” is given more than once.")
        return cleaned


def build_choice_filter(
    label: str, empty: str, choices: Iterable[tuple[str, str]], method: str = "leave_unchanged"
) -> Any:
    """A drop-down that says what it is without a label beside it."""
    return django_filters.ChoiceFilter(
        label=label,
        empty_label=empty,
        choices=choices,
        method=method,
        widget=forms.Select(attrs={"aria-label": label}),
    )


def build_word_start_regex(text: str) -> str:
    """The start of any word, as a regular expression of the database."""
    return rf"(^|[^[:alnum:]]){re.escape(text)}"


def merge_filters(*sent: QueryDict, but: Collection[str]) -> QueryDict:
    """Return the filters in a request's address and in its body, all but the named fields of other forms: what is in
    either counts, and a name in both is given twice, which every list refuses."""
    filters = QueryDict(mutable=True)
    for part in sent:
        for name, values in part.lists():
            if name not in but:
                filters.setlist(name, [*filters.getlist(name), *values])
    return filters


class PageFilter(django_filters.Filter):
    field_class = forms.IntegerField


class ListFilter(django_filters.FilterSet):
    """`?sort=` and what its subclasses filter by. `columns` are those that sort, by their names in the address."""

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
        """Sorting and cutting come last."""
        return rows

    @property
    def active(self) -> dict[str, str]:
        """The filters that narrow the list, as typed. Call after `is_valid`, as everything below."""
        names = (name for name in self.form.fields if name not in NOT_FILTERS)
        return {name: self.data[name] for name in names if self.data.get(name, "").strip()}

    @property
    def descriptions(self) -> list[tuple[str, str]]:
        """As `active`, in words."""
        told = []
        for name, value in self.active.items():
            field = self.form.fields[name]
            choices = {str(key): str(word) for key, word in getattr(field, "choices", ())}
            told.append((str(field.label or name), choices.get(value, value)))
        return told

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
        told = ("descending" if self.is_descending else "ascending") if here else ""
        return Heading(column.label, self.build_url(sort=f"-{name}" if down else name), told)

    def build_url(self, **changes: str) -> str:
        """The address of the same list sorted otherwise, or of another page of it."""
        query: QueryDict = self.data.copy()
        for position in ("page", "after", "before"):
            query.pop(position, None)
        for name, value in changes.items():
            query[name] = value
        return f"?{query.urlencode()}"


class PagedFilter(ListFilter):
    """A list with numbered pages, for what no account has many thousands of."""

    page = PageFilter(label="Page", method="leave_unchanged", min_value=1, max_value=MAX_PAGE)

    @cached_property
    def page_number(self) -> int:
        """The page that was asked for, or the last one where rows have gone meanwhile."""
        asked = self.form.cleaned_data["page"] or 1
        if asked == 1 or self.qs.order_by()[(asked - 1) * PAGE_SIZE :].exists():
            return asked
        return max(1, -(-self.qs.count() // PAGE_SIZE))

    def sort_rows(self) -> QuerySet[Any]:
        expression = self.sort_column.expression
        order = expression.desc(nulls_last=True) if self.is_descending else expression.asc(nulls_first=True)
        return self.qs.order_by(order, "-pk" if self.is_descending else "pk")

    def get_page(self) -> tuple[list[Any], bool]:
        """The page's rows, and whether there are more."""
        start = (self.page_number - 1) * PAGE_SIZE
        rows = list(self.sort_rows()[start : start + PAGE_SIZE + 1])
        return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE

    def get_page_links(self, more: bool) -> dict[str, str]:
        """The addresses of the pages before and after this one, empty where there is none."""
        here = self.page_number
        return {
            "previous": self.build_url(page=str(here - 1)) if here > 1 else "",
            "next": self.build_url(page=str(here + 1)) if more else "",
        }
