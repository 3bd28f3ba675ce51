"""Create, deactivate and reactivate users."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Account, User
from accounts.services.locks import (
    Invalid,
    build_user_target,
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
    """Users cannot deactivate themselves, so that somebody is left to undo it."""


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
    """Validate and insert the row. For services that have checked the permission and record the event. Raise
    Invalid."""
    user = build_user(account, email=email, nickname=nickname, password=password, roles=roles)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        # The e-mail or the nickname was taken after it was validated; now validation says so.
        validate(user)
        raise
    return user


def build_user(account: Account | None, *, email: str, nickname: str, password: str, roles: Iterable[str]) -> User:
    """Return a user for `insert_user` to save, without the password. Raise Invalid with every error."""
    user = User(account=account, email=email.strip().lower(), nickname=nickname, roles=clean_roles(account, roles))
    errors = {}
    try:
        validate(user, line="nickname", without=["password"])
    except Invalid as problem:
        errors = problem.message_dict
        # The one constraint of several columns that input can violate.
        if taken := errors.pop(NON_FIELD_ERRORS, None):
            errors["nickname"] = taken
    try:
        validate_password(password, user)
    except ValidationError as problem:
        errors["password"] = problem.messages
    if errors:
        raise Invalid(errors)
    return user


def clean_roles(account: Account | None, roles: Iterable[str]) -> list[str]:
    """Return the roles sorted, each once. Raise Invalid for any that the account, or Support if None, cannot have."""
    allowed = {Role.SUPPORT} if account is None else set(ACCOUNT_ROLES)
    roles = sorted({str(role) for role in roles})
    if unknown := [role for role in roles if role not in allowed]:
        raise Invalid({"roles": f"{unknown[0]!r} is not one of {', '.join(sorted(allowed))}."})
    return roles


@transaction.atomic
def deactivate_user(*, user: User, keys: Collection[Target] = (), by: Actor) -> User:
    """Refuse sign-in and end every session; keys that the user owns are refused from the commit on. Call it through
    keys.services.deactivate_owner, which finds `keys`, those that worked.

    Raise Denied, AccountNotActive, SelfDeactivation, LastAdministrator.
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
    """Let the user sign in again, and their keys work. Call it through keys.services.reactivate_owner, which finds
    `keys`. Raise Denied, AccountNotActive."""
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
