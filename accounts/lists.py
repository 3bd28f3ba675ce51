"""What every list of the portal shares: strict filters, headings that sort, and pages."""

from __future__ import annotations

from typing import Any, NamedTuple

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

PAGE_SIZE = 50
LAST_PAGE = 200  # whoever needs row 10,001 is better served by the search


class ListForm(forms.Form):
    """Knows its fields, and refuses what it does not know."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if unknown := sorted(set(self.data) - set(self.fields)):
            raise ValidationError(f"There is no filter “{unknown[0]}”. There are: {', '.join(self.fields)}.")
        return cleaned


class PageFilter(django_filters.Filter):
    field_class = forms.IntegerField


class Heading(NamedTuple):
    """A column that sorts: a click sorts by it, another the other way round. `sorted` is the value of aria-sort."""

    label: str
    url: str
    sorted: str


def heading(query: QueryDict, name: str, label: str, *, sort_by: str, down_first: bool) -> Heading:
    here = sort_by.removeprefix("-") == name
    down = not sort_by.startswith("-") if here else down_first
    changed = query.copy()
    changed.pop("page", None)
    changed["sort"] = f"-{name}" if down else name
    told = ("descending" if sort_by.startswith("-") else "ascending") if here else ""
    return Heading(label, f"?{changed.urlencode()}", told)


def page(query: QueryDict, number: int) -> str:
    """The address of another page of the same list."""
    changed = query.copy()
    changed["page"] = str(number)
    return f"?{changed.urlencode()}"
