"""Accounts for the packages below `accounts`: the attributes that they read, and the lookup by slug."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from django.apps import apps

from core.phone_masking import MaskSettings

if TYPE_CHECKING:
    from accounts import models


class Account(MaskSettings, Protocol):
    """The attributes of an account that logs, digests and exports read."""

    pk: Any
    slug: str
    name: str

    def refresh_from_db(self, *, fields: Collection[str]) -> None: ...


def get_account_model() -> type[models.Account]:
    """Return the model of accounts, as Django's `get_user_model` returns that of users."""
    return apps.get_model("accounts", "Account")


def find_account(slug: str) -> models.Account | None:
    """Return the account of this slug; None if there is none."""
    return get_account_model().objects.filter(slug=slug).first()
