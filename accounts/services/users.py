"""Users: making them, and whether they may come in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Account, User
from accounts.services.locks import (
    Invalid,
    build_user_target,
    clean_line,
    lock_for_change,
    lock_user,
    require_other_administrator,
    validate,
)
from accounts.services.sessions import delete_sessions
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from core.permissions import ACCOUNT_ROLES, Permission, Role

MAX_NAMED_KEYS = 100


class SelfDeactivation(Exception):
    """Nobody deactivates themselves: there must be someone left to undo it."""


@transaction.atomic
def create_user(
    *, account: Account | None, email: str, nickname: str, password: str, roles: Iterable[str] = (), by: Actor
) -> User:
    """Create a user of `account`, or of none, which only Support has. Raise Invalid, Denied, AccountNotActive."""
    account = lock_for_change(account, Permission.USERS_CHANGE, by)
    user = insert_user(account, email=email, nickname=nickname, password=password, roles=roles)
    record("user.created", by=by, account_id=user.account_id, target=build_user_target(user), roles=user.roles)
    return user


def insert_user(account: Account | None, *, email: str, nickname: str, password: str, roles: Iterable[str]) -> User:
    """Check and insert the row: for services, which have asked the policy and record it. Raises Invalid."""
    user = User(
        account=account,
        email=email.strip().lower(),
        nickname=clean_line(nickname, "nickname"),
        roles=clean_roles(account, roles),
    )
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid({"password": error.messages}) from error
    user.set_password(password)
    validate(user)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        # Someone took the e-mail or the nickname after it was checked; now that can be said.
        validate(user)
        raise
    return user


def clean_roles(account: Account | None, roles: Iterable[str]) -> list[str]:
    """Sorted, each once: roles of an account, or Support's where there is none. Raises Invalid for any other."""
    allowed = {Role.SUPPORT} if account is None else set(ACCOUNT_ROLES)
    roles = sorted({str(role) for role in roles})
    if unknown := [role for role in roles if role not in allowed]:
        raise Invalid({"roles": f"{unknown[0]!r} is not one of {', '.join(sorted(allowed))}."})
    return roles


@transaction.atomic
def deactivate_user(*, user: User, keys: Collection[Target] = (), by: Actor) -> User:
    """End sign-in and every session; keys the user owns are refused from the commit on. `keys` are those that worked:
    keys.services.deactivate_owner finds them, and everything but tests goes through it.

    Raise Denied, AccountNotActive, OwnUser, LastAdministrator.
    """
    lock_for_change(user.account, Permission.USERS_DEACTIVATE, by)
    user = lock_user(user)
    if by.kind == "user" and by.id == str(user.pk):
        raise SelfDeactivation
    if not user.is_active:
        return user
    require_other_administrator(user)
    user.is_active = False
    delete_sessions(user)
    user.save(update_fields=["is_active", "sessions_ended"])
    record(
        "user.deactivated", by=by, account_id=user.account_id, target=build_user_target(user), **_describe_keys(keys)
    )
    return user


@transaction.atomic
def reactivate_user(*, user: User, keys: Collection[Target] = (), by: Actor) -> User:
    """As `deactivate_user`, the other way round, by way of keys.services.reactivate_owner."""
    lock_for_change(user.account, Permission.USERS_CHANGE, by)
    user = lock_user(user)
    if user.is_active:
        return user
    user.is_active = True
    user.save(update_fields=["is_active"])
    record(
        "user.reactivated", by=by, account_id=user.account_id, target=build_user_target(user), **_describe_keys(keys)
    )
    return user


def _describe_keys(keys: Collection[Target]) -> dict[str, Any]:
    names = [f"{key.label} ({key.id})" for key in islice(keys, MAX_NAMED_KEYS)]
    return {"keys": names, "count": len(keys)}
