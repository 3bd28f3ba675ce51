"""The list's filters. Strict: a value or a name that means nothing is an error and shows no rows, never all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import django_filters
from django import forms
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from accounts.lists import LAST_PAGE, PAGE_SIZE, ListForm, PageFilter
from keys.models import Api, Key
from keys.selectors import STATUSES

# A column's name in the address -> what it sorts by, and whether its first click sorts downwards.
COLUMNS: dict[str, tuple[Any, bool]] = {
    "created": (F("created_at"), True),
    "name": (Lower("name"), False),
    "owner": (Lower("owner__nickname"), False),
    "used": (F("used_at"), True),
    "age": (F("secret_made_at"), False),
}


class KeyFilter(django_filters.FilterSet):
    """`?q=&status=&api=&sort=&page=`; the queryset is that of keys.selectors.for_page."""

    q = django_filters.CharFilter(label="Search", max_length=200, method="search")
    status = django_filters.ChoiceFilter(
        label="Status", choices=STATUSES, empty_label="Any status", widget=forms.Select(attrs={"aria-label": "Status"})
    )
    api = django_filters.ChoiceFilter(label="API", field_name="api__slug", widget=forms.HiddenInput)
    sort = django_filters.ChoiceFilter(
        label="Sort",
        choices=[(sign + name, name) for name in COLUMNS for sign in ("", "-")],
        widget=forms.HiddenInput,
        method="unsorted",
    )
    page = PageFilter(label="Page", method="unsorted", min_value=1, max_value=LAST_PAGE)

    class Meta:
        form = ListForm

    def __init__(self, data: Any, queryset: QuerySet[Key], *, apis: Iterable[Api]) -> None:
        super().__init__(data, queryset)
        self.filters["api"].extra["choices"] = [(api.slug, api.name) for api in apis]

    def search(self, keys: QuerySet[Key], name: str, text: str) -> QuerySet[Key]:
        """Start of any word of the name, start of nickname or e-mail, exact API ID, or the last 4 of it."""
        found = (
            Q(name__iregex=rf"(^|[^[:alnum:]]){re.escape(text)}")
            | Q(owner__nickname__istartswith=text)
            | Q(owner__email__istartswith=text)
            | Q(public_id=text)
        )
        return keys.filter(found | Q(public_id__endswith=text) if len(text) == 4 else found)

    def unsorted(self, keys: QuerySet[Key], name: str, value: Any) -> QuerySet[Key]:
        """Sorting and cutting come last, in `rows`."""
        return keys

    @property
    def sort_by(self) -> str:
        return self.form.cleaned_data["sort"] or "-created"

    @property
    def page_number(self) -> int:
        return self.form.cleaned_data["page"] or 1

    @property
    def active(self) -> bool:
        """Whether anything narrows the list but its tab."""
        return bool(self.form.cleaned_data["q"] or self.form.cleaned_data["status"])

    def rows(self) -> tuple[list[Key], bool]:
        """The page's keys, and whether there are more."""
        expression, _ = COLUMNS[self.sort_by.removeprefix("-")]
        down = self.sort_by.startswith("-")
        order = expression.desc(nulls_last=True) if down else expression.asc(nulls_first=True)
        start = (self.page_number - 1) * PAGE_SIZE
        rows = list(self.qs.order_by(order, "-pk" if down else "pk")[start : start + PAGE_SIZE + 1])
        return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE
