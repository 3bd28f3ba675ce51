"""May she? One answer for pages, services and menus; it fails closed."""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from accounts.models import Account, User
from accounts.permissions import Permission, granted
from audit.actor import Actor

Row = TypeVar("Row", Account, User)


class Denied(PermissionDenied):
    """The one who acts lacks a permission, or acts on another account."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"This needs the permission: {permission.label}.")
        self.permission = permission


class AccountNotActive(PermissionDenied):
    """The account is pending, and nothing about its keys may change; or suspended, and nothing at all may."""

    def __init__(self, status: str) -> None:
        barred = "nothing in it can be changed" if status == "suspended" else "its keys cannot be created or changed"
        super().__init__(f"The account is {status}: {barred} until Support activates it.")
        self.status = status


def has(user: AbstractBaseUser | AnonymousUser, permission: Permission) -> bool:
    """Whether this user holds the permission, as far as the row in memory tells. Services ask `require`."""
    return isinstance(user, User) and user.is_active and permission in _held(user)


def require(by: Actor, permission: Permission, *, account: Account | None) -> None:
    """Refuse unless the actor, as the database knows them now, holds the permission in this account.

    `account=None` is for what belongs to no account. The rows read are held FOR SHARE until the end of the caller's
    transaction, account before user, so that neither a role nor an account's status is taken away in between.
    Commands and the system itself answer to whoever may run them.
    """
    if by.kind in ("command", "system"):
        return
    if account is not None:
        _share(Account, account.pk)
    user = _share(User, by.id) if by.kind == "user" and by.id.isdecimal() else None
    if user is None or not user.is_active or permission not in _held(user):
        raise Denied(permission)
    # Support works on all accounts; everyone else inside their own.
    if user.account_id is not None and (account is None or account.pk != user.account_id):
        raise Denied(permission)


def require_active(account: Account) -> Account:
    """The account as it is now, if it is active; held FOR SHARE like everything `require` reads."""
    row = _share(Account, account.pk)
    status = row.status if row is not None else "deleted"
    if row is None or status != Account.Status.ACTIVE:
        raise AccountNotActive(status)
    return row


def _held(user: User) -> frozenset[Permission]:
    return granted(user.roles, member=user.account_id is not None)


def _share(model: type[Row], pk: int | str) -> Row | None:
    # The ORM has no FOR SHARE; FOR UPDATE would let two people of one account work only one after the other.
    return next(iter(model.objects.raw(f"SELECT * FROM {model._meta.db_table} WHERE id = %s FOR SHARE", [pk])), None)
