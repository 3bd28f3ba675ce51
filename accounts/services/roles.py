"""Change a user's roles."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts.models import User
from accounts.security_mails import format_actor, send_security_mail
from accounts.services.locks import Invalid, build_user_target, lock_for_change, lock_user, require_other_administrator
from accounts.services.sessions import delete_sessions
from accounts.services.users import clean_roles
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission, Role, format_roles


@transaction.atomic
def change_roles(*, user: User, roles: Iterable[str], by: Actor) -> User:
    """Give the user exactly these roles of the account; end all sessions, so that none keeps the old ones.

    Granting a role needs the confirmation "user.roles" of the user's primary key. Support is granted by a command
    alone. Raise Denied, AccountNotActive, ConfirmationRequired, LastAdministrator, Invalid.
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
    """Store the roles, end the user's sessions, notify them by mail and record the change. For services that hold the
    locks and have checked the permission."""
    before, user.roles = list(user.roles), after
    delete_sessions(user)
    user.save(update_fields=["roles", "sessions_ended"])
    send_security_mail(
        user, "role_changed", before=format_roles(before), after=format_roles(after), by=format_actor(by)
    )
    changes = {"roles": [before, after]}
    record("user.roles_changed", by=by, account_id=user.account_id, target=build_user_target(user), changes=changes)
    return user
