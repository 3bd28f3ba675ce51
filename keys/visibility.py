"""Querysets of the keys, APIs and IP lists that a user may see. `core.authorization` checks permission to change
them."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Account, User
from audit.calls.names import LogNames
from core.authorization import has_permission
from core.permissions import Permission
from keys.models import Api, IpList, Key

KNOWN_APIS = Path(__file__).with_name("known_apis.sql").read_text(encoding="utf-8")
# Plain SQL, because composing it takes Django longer than PostgreSQL takes to run it, on each page of the log.
NAMES = f"""{KNOWN_APIS}, named AS (
        SELECT id, slug, name FROM keys_api WHERE %(account)s::bigint IS NULL OR id IN (SELECT api FROM known)
    )
    SELECT is_module, slug, name FROM (
        SELECT FALSE AS is_module, id, slug, name FROM named
        UNION ALL SELECT TRUE, m.id, m.slug, m.name FROM keys_module m JOIN named ON named.id = m.api_id
    ) AS found ORDER BY is_module, name, id
"""


def get_visible_keys(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Key]:
    """Return the live keys that the user may see: all keys of the account, or only those owned."""
    if not isinstance(user, User) or user.account_id is None:
        return Key.objects.none()
    live = Key.objects.filter(account=user.account_id, deleted_at=None)
    if has_permission(user, Permission.KEYS_SEE):
        return live
    if has_permission(user, Permission.KEYS_SEE_OWN):
        return live.filter(owner=user)
    return live.none()


def get_documented_keys(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Key]:
    """Return the live keys whose docs the user may read: the visible ones; for Support, those of all accounts."""
    if isinstance(user, User) and user.account_id is None and has_permission(user, Permission.DOCS_SEE):
        return Key.objects.filter(deleted_at=None)
    return get_visible_keys(user)


def get_reference_apis(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Api]:
    """Return the APIs whose reference the user may read: those of the account; for Support, all."""
    if isinstance(user, User) and user.account_id is None and has_permission(user, Permission.DOCS_SEE):
        return Api.objects.defer("document")
    return get_enabled_apis(user)


def get_enabled_apis(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Api]:
    """Return the APIs that are enabled for the user's account, sorted by name."""
    if not isinstance(user, User) or user.account_id is None:
        return Api.objects.none()
    return Api.objects.filter(enablements__account=user.account_id).defer("document").order_by("name", "pk")


def list_called_apis(account: Account) -> QuerySet[Api]:
    """Return the APIs that the account has or had keys of, or is enabled for, sorted by name."""
    return _list_known_apis(account.pk).defer("document").order_by("name", "pk")


def _list_known_apis(account_id: int) -> QuerySet[Api]:
    """Return the APIs that the account is enabled for, or has or had keys of."""
    with connection.cursor() as cursor:
        cursor.execute(f"{KNOWN_APIS} SELECT api FROM known", {"account": account_id})
        return Api.objects.filter(pk__in=[number for (number,) in cursor.fetchall()])


def get_visible_ip_lists(user: AbstractBaseUser | AnonymousUser) -> QuerySet[IpList]:
    """Return the IP lists of the user's account, or none without the permission to see them."""
    if not isinstance(user, User) or user.account_id is None or not has_permission(user, Permission.IP_LISTS_SEE):
        return IpList.objects.none()
    return IpList.objects.filter(account=user.account_id)


def get_log_names(account_id: int | None) -> LogNames:
    """Return the names of the APIs that the account is enabled for, or has or had keys of, and of their modules, sorted
    by name.

    Without an account, return those of all APIs.
    """
    apis: dict[str, str] = {}
    modules: dict[str, str] = {}
    with connection.cursor() as cursor:
        cursor.execute(NAMES, {"account": account_id})
        for is_module, slug, name in cursor.fetchall():
            if not is_module:
                apis[slug] = name
            elif name not in modules.setdefault(slug, name).split(", "):
                modules[slug] += f", {name}"
    return LogNames(apis, modules)
