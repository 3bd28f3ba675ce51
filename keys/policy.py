"""Which keys, APIs and IP lists are someone's to see. May she change them? `accounts.policy` answers."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import User
from accounts.permissions import Permission
from accounts.policy import has
from keys.models import Api, IpList, Key


def visible_to(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Key]:
    """The live keys that this user may see: all of the account, or those owned; never another account's."""
    if not isinstance(user, User) or user.account_id is None:
        return Key.objects.none()
    live = Key.objects.filter(account=user.account_id, deleted_at=None)
    if has(user, Permission.KEYS_SEE):
        return live
    if has(user, Permission.KEYS_SEE_OWN):
        return live.filter(owner=user)
    return live.none()


def documented_to(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Key]:
    """The live keys whose docs this user may read: those that are visible; for Support, those of all accounts."""
    if isinstance(user, User) and user.account_id is None and has(user, Permission.DOCS_SEE):
        return Key.objects.filter(deleted_at=None)
    return visible_to(user)


def referenced_to(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Api]:
    """The APIs whose reference this user may read: those of the account; for Support, all."""
    if isinstance(user, User) and user.account_id is None and has(user, Permission.DOCS_SEE):
        return Api.objects.all()
    return apis_of(user).defer(None)


def apis_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Api]:
    """The APIs that are enabled for the user's account, by name."""
    if not isinstance(user, User) or user.account_id is None:
        return Api.objects.none()
    return Api.objects.filter(enablements__account=user.account_id).defer("document").order_by("name", "pk")


def ip_lists_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[IpList]:
    """The IP lists of the account that this user may see; never another account's."""
    if not isinstance(user, User) or user.account_id is None or not has(user, Permission.IP_LISTS_SEE):
        return IpList.objects.none()
    return IpList.objects.filter(account=user.account_id)
