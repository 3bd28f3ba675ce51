"""The only door through which accounts and users change. Pages, commands and Support's admin call the same functions.

Order of locks: account, acting user, other users. Services that change users take the account first, so that two people
who administer one account work one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import policy
from accounts.models import Account, User
from accounts.permissions import ACCOUNT_ROLES, Permission, Role
from audit.actor import Actor
from audit.events import Target
from audit.record import record


class Invalid(ValidationError):
    """What was given cannot be stored; `message_dict` says for each field why, and what would be right."""


class OwnUser(Exception):
    """Nobody deactivates themselves: there must be someone left to undo it."""


@transaction.atomic
def create_account(*, slug: str, name: str, status: str = Account.Status.ACTIVE, by: Actor) -> Account:
    policy.require(by, Permission.ACCOUNTS_CHANGE, account=None)
    account = Account(slug=slug, name=_line(name, "name"), status=status)
    _validate(account)
    account.save()
    record("account.created", by=by, account_id=account.pk, target=_of_account(account), status=account.status)
    return account


@transaction.atomic
def set_account_status(*, account: Account, status: str, by: Actor) -> Account:
    account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    policy.require(by, Permission.ACCOUNTS_CHANGE, account=account)
    before, account.status = account.status, status
    _validate(account)
    if before == account.status:
        return account
    account.save(update_fields=["status"])
    changes = {"status": [before, account.status]}
    record("account.status_changed", by=by, account_id=account.pk, target=_of_account(account), changes=changes)
    return account


@transaction.atomic
def create_user(
    *, account: Account | None, email: str, nickname: str, password: str, roles: Iterable[str] = (), by: Actor
) -> User:
    """A user of `account`, or Support when there is none. E-mail in any case; the password passes the validators."""
    account = _lock(account)
    policy.require(by, Permission.USERS_CHANGE, account=account)
    allowed = {Role.SUPPORT} if account is None else set(ACCOUNT_ROLES)
    if unknown := [role for role in roles if role not in allowed]:
        raise Invalid({"roles": f"{unknown[0]!r} is not one of {', '.join(sorted(allowed))}."})
    user = User(
        account=account, email=email.strip().lower(), nickname=_line(nickname, "nickname"), roles=sorted(set(roles))
    )
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid({"password": error.messages}) from error
    user.set_password(password)
    _validate(user)
    user.save()
    record("user.created", by=by, account_id=user.account_id, target=_of_user(user), roles=user.roles)
    return user


@transaction.atomic
def deactivate_user(*, user: User, by: Actor) -> User:
    """Sign-in ends, and every session with it; keys the user owns are refused from the commit on."""
    account = _lock(user.account)
    policy.require(by, Permission.USERS_DEACTIVATE, account=account)
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if by.kind == "user" and by.id == str(user.pk):
        raise OwnUser
    if not user.is_active:
        return user
    user.is_active = False
    user.sessions_ended += 1
    user.save(update_fields=["is_active", "sessions_ended"])
    record("user.deactivated", by=by, account_id=user.account_id, target=_of_user(user))
    return user


@transaction.atomic
def reactivate_user(*, user: User, by: Actor) -> User:
    account = _lock(user.account)
    policy.require(by, Permission.USERS_CHANGE, account=account)
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.is_active:
        return user
    user.is_active = True
    user.save(update_fields=["is_active"])
    record("user.reactivated", by=by, account_id=user.account_id, target=_of_user(user))
    return user


def _lock(account: Account | None) -> Account | None:
    return account and Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _validate(row: Account | User) -> None:
    """Field by field and against the database's constraints, with messages for people."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(error.message_dict) from error


def _line(text: str, field: str) -> str:
    """One line of text that a person can read: it goes into headers, logs and pages."""
    text = text.strip()
    if not text.isprintable():
        raise Invalid({field: f"{text!r} holds characters that cannot be seen. Use letters, digits, signs and spaces."})
    return text


def _of_account(account: Account) -> Target:
    return Target("account", account.slug, account.name)


def _of_user(user: User) -> Target:
    return Target("user", str(user.pk), user.email)
