"""Permission checks for pages, services and menus. Raise Denied; deny by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from core.accounts import Account, get_account_model
from core.actor import Actor
from core.permissions import Permission, Role, get_permissions

if TYPE_CHECKING:
    from accounts import models

Row = TypeVar("Row", "models.Account", "models.User")


class Denied(PermissionDenied):
    """The actor lacks a permission, or the object belongs to another account."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"Your role does not allow you to {permission.label}.")
        self.permission = permission


class AccountNotActive(PermissionDenied):
    """The account is pending (its keys cannot change) or suspended (nothing can)."""

    def __init__(self, status: str) -> None:
        reason = "nothing in it can be changed" if status == "suspended" else "its keys cannot be created or changed"
        super().__init__(f"The account is {status}: {reason} until Support activates it.")
        self.status = status


def has_permission(user: AbstractBaseUser | AnonymousUser, permission: Permission) -> bool:
    """Return whether the user has the permission, by the loaded row. Services call `require` instead."""
    return isinstance(user, get_user_model()) and user.is_active and permission in _get_permissions(user)


def require(by: Actor, permission: Permission, *, account: Account | None) -> None:
    """Raise Denied unless the actor has the permission in this account, by the current rows of the database.

    `account=None` is for objects that belong to no account. Locks the rows FOR SHARE until the end of the caller's
    transaction, account before user, so that neither a role nor the account's status changes in between. Commands and
    the system itself have every permission.
    """
    if by.kind in ("command", "system"):
        return
    if account is not None:
        _lock_for_share(get_account_model(), account.pk)
    user = _lock_for_share(get_user_model(), by.id) if by.kind == "user" and by.id.isdecimal() else None
    if user is None or not user.is_active or permission not in _get_permissions(user):
        raise Denied(permission)
    # Support works on all accounts; everyone else inside their own.
    if user.account_id is not None and (account is None or account.pk != user.account_id):
        raise Denied(permission)


def check_active(account: models.Account) -> None:
    """Raise AccountNotActive unless the account is active, by the loaded row. Services call `require_active`
    instead."""
    if account.status != account.Status.ACTIVE:
        raise AccountNotActive(account.status)


def require_active(account: Account) -> models.Account:
    """Return the account's current row, locked FOR SHARE. Raise AccountNotActive unless it is active."""
    row = _lock_for_share(get_account_model(), account.pk)
    if row is None:
        raise AccountNotActive("deleted")
    check_active(row)
    return row


def find_decision_maker(email: str) -> models.User | None:
    """Return the active user with this e-mail who may decide for the whole installation: one of Support or, if nobody
    is Support, an Administrator."""
    active = get_user_model().objects.filter(is_active=True)
    support = active.filter(roles__contains=[Role.SUPPORT])
    deciding = support if support.exists() else active.filter(roles__contains=[Role.ADMINISTRATOR])
    return deciding.filter(email=email.strip().lower()).first()


def _get_permissions(user: models.User) -> frozenset[Permission]:
    return get_permissions(user.roles, member=user.account_id is not None)


def _lock_for_share(model: type[Row], pk: int | str) -> Row | None:
    # The ORM has no FOR SHARE, and FOR UPDATE would make two users of one account wait for each other.
    return next(iter(model.objects.raw(f"SELECT * FROM {model._meta.db_table} WHERE id = %s FOR SHARE", [pk])), None)
