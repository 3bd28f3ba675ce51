"""Filters of the list of users. An invalid value is an error and shows no rows."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import User
from core.lists import Column, PagedFilter, build_choice_filter, build_word_start_regex
from core.permissions import ACCOUNT_ROLES

STATUSES = (("active", "Active"), ("inactive", "Inactive"))
NO_ROLE = "none"
ROLES = (*((role.value, role.label) for role in ACCOUNT_ROLES), (NO_ROLE, "No role"))


class UserFilter(PagedFilter):
    """`?q=&role=&status=&sort=&page=`; the queryset is that of accounts.selectors.list_users."""

    columns: ClassVar = {
        "nickname": Column("Nickname", Lower("nickname")),
        "email": Column("E-mail", F("email")),
        "keys": Column("Keys", F("key_count"), True),
        "signed_in": Column("Last sign-in", F("last_login"), True),
        "created": Column("Created", F("created_at"), True),
    }
    default_sort = "nickname"
    nouns = ("user", "users")

    q = django_filters.CharFilter(label="Search", max_length=200, method="search")
    role = build_choice_filter("Role", "Any role", ROLES, "with_role")
    status = build_choice_filter("Status", "Any status", STATUSES, "with_status")

    def search(self, users: QuerySet[User], name: str, text: str) -> QuerySet[User]:
        """Match the start of any word of the nickname, or the start of the e-mail."""
        return users.filter(Q(nickname__iregex=build_word_start_regex(text)) | Q(email__istartswith=text))

    def with_role(self, users: QuerySet[User], name: str, role: str) -> QuerySet[User]:
        return users.filter(roles=[]) if role == NO_ROLE else users.filter(roles__contains=[role])

    def with_status(self, users: QuerySet[User], name: str, status: str) -> QuerySet[User]:
        return users.filter(is_active=status == "active")
