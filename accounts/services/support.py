"""Grant and revoke the role Support. Only the installation's operator may."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.services.locks import Invalid, build_user_target, lock_user
from accounts.services.sessions import delete_sessions
from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission, Role


@transaction.atomic
def grant_support(*, user: User, by: Actor) -> User:
    """Make the user Support; end their sessions, as every change of roles does. Raise Invalid for a user of an account
    or a deactivated one."""
    user = _lock_user(user, by)
    if user.account is not None:
        raise Invalid({"email": f"{user.email} is a user of {user.account.name}; Support belongs to no account."})
    if not user.is_active:
        raise Invalid({"email": f"{user.email} is deactivated."})
    if Role.SUPPORT not in user.roles:
        _save(user, [Role.SUPPORT])
        record("support.granted", by=by, account_id=None, target=build_user_target(user))
    return user


@transaction.atomic
def revoke_support(*, user: User, by: Actor) -> User:
    """Take the role Support from the user, who may still sign in but has no permission. Raise Invalid if they are not
    Support."""
    user = _lock_user(user, by)
    if Role.SUPPORT not in user.roles:
        raise Invalid({"email": f"{user.email} is not Support."})
    _save(user, [])
    record("support.revoked", by=by, account_id=None, target=build_user_target(user))
    return user


def _lock_user(user: User, by: Actor) -> User:
    if by.kind != "command":
        raise Denied(Permission.ACCOUNTS_CHANGE)
    return lock_user(user)


def _save(user: User, roles: list[str]) -> None:
    user.roles = roles
    delete_sessions(user)
    user.save(update_fields=["roles", "sessions_ended"])
