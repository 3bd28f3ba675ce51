"""The filters of the list of users. Strict, as all lists are: what means nothing is an error and shows no rows."""

from __future__ import annotations

import re
from typing import Any

import django_filters
from django import forms
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from accounts.lists import LAST_PAGE, PAGE_SIZE, ListForm, PageFilter
from accounts.models import User
from accounts.permissions import ACCOUNT_ROLES

STATUSES = (("active", "Active"), ("inactive", "Inactive"))
NO_ROLE = "none"
ROLES = (*((role.value, role.label) for role in ACCOUNT_ROLES), (NO_ROLE, "No role"))

# A column's name in the address -> what it sorts by, and whether its first click sorts downwards.
COLUMNS: dict[str, tuple[Any, bool]] = {
    "nickname": (Lower("nickname"), False),
    "email": (F("email"), False),
    "signed_in": (F("last_login"), True),
    "keys": (F("key_count"), True),
    "created": (F("created_at"), True),
}


class UserFilter(django_filters.FilterSet):
    """`?q=&role=&status=&sort=&page=`; the queryset is that of accounts.selectors.people_of."""

    q = django_filters.CharFilter(label="Search", max_length=200, method="search")
    role = django_filters.ChoiceFilter(
        label="Role",
        choices=ROLES,
        empty_label="Any role",
        method="with_role",
        widget=forms.Select(attrs={"aria-label": "Role"}),
    )
    status = django_filters.ChoiceFilter(
        label="Status",
        choices=STATUSES,
        empty_label="Any status",
        method="with_status",
        widget=forms.Select(attrs={"aria-label": "Status"}),
    )
    sort = django_filters.ChoiceFilter(
        label="Sort",
        choices=[(sign + name, name) for name in COLUMNS for sign in ("", "-")],
        widget=forms.HiddenInput,
        method="unsorted",
    )
    page = PageFilter(label="Page", method="unsorted", min_value=1, max_value=LAST_PAGE)

    class Meta:
        form = ListForm

    def search(self, users: QuerySet[User], name: str, text: str) -> QuerySet[User]:
        """Start of any word of the nickname, or start of the e-mail."""
        word = rf"(^|[^[:alnum:]]){re.escape(text)}"
        return users.filter(Q(nickname__iregex=word) | Q(email__istartswith=text))

    def with_role(self, users: QuerySet[User], name: str, role: str) -> QuerySet[User]:
        return users.filter(roles=[]) if role == NO_ROLE else users.filter(roles__contains=[role])

    def with_status(self, users: QuerySet[User], name: str, status: str) -> QuerySet[User]:
        return users.filter(is_active=status == "active")

    def unsorted(self, users: QuerySet[User], name: str, value: Any) -> QuerySet[User]:
        """Sorting and cutting come last."""
        return users

    @property
    def sort_by(self) -> str:
        return self.form.cleaned_data["sort"] or "nickname"

    @property
    def page_number(self) -> int:
        return self.form.cleaned_data["page"] or 1

    @property
    def active(self) -> dict[str, str]:
        """The filters that narrow the list, as typed."""
        return {name: self.form.cleaned_data[name] for name in ("q", "role", "status") if self.form.cleaned_data[name]}

    def sorted(self) -> QuerySet[User]:
        expression, _ = COLUMNS[self.sort_by.removeprefix("-")]
        down = self.sort_by.startswith("-")
        order = expression.desc(nulls_last=True) if down else expression.asc(nulls_first=True)
        return self.qs.order_by(order, "-pk" if down else "pk")

    def rows(self) -> tuple[list[User], bool]:
        """The page's users, and whether there are more."""
        start = (self.page_number - 1) * PAGE_SIZE
        rows = list(self.sorted()[start : start + PAGE_SIZE + 1])
        return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE
