"""What a user may do in their account."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts.models import User
from accounts.notices import format_actor, send_notice
from accounts.services.locks import Invalid, build_user_target, lock_for_change, lock_user, require_other_administrator
from accounts.services.sessions import delete_sessions
from accounts.services.users import clean_roles
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission, Role, format_roles


@transaction.atomic
def change_roles(*, user: User, roles: Iterable[str], by: Actor) -> User:
    """Give the user these roles of the account and no others; every session ends, so that none carries the old ones.

    Granting one needs the confirmation "user.roles" of the user's primary key. Support is granted by a command alone.
    Raises Denied, AccountNotActive, ConfirmationRequired, LastAdministrator, Invalid.
    """
    account = lock_for_change(user.account, Permission.USERS_CHANGE, by)
    user = lock_user(user)
    if account is None:
        raise Invalid({"roles": "Support has no roles in an account."})
    before, after = list(user.roles), clean_roles(account, roles)
    if before == after:
        return user
    if Role.ADMINISTRATOR not in after:
        require_other_administrator(user)
    if set(after) - set(before):
        by.spend_confirmation("user.roles", str(user.pk))
    return apply_roles(user, after, by)


def apply_roles(user: User, after: list[str], by: Actor) -> User:
    """Store the roles, end the user's sessions, tell them by mail and record it: for services, which hold the locks
    and have asked the policy."""
    before, user.roles = list(user.roles), after
    delete_sessions(user)
    user.save(update_fields=["roles", "sessions_ended"])
    send_notice(user, "role_changed", before=format_roles(before), after=format_roles(after), by=format_actor(by))
    changes = {"roles": [before, after]}
    record("user.roles_changed", by=by, account_id=user.account_id, target=build_user_target(user), changes=changes)
    return user
