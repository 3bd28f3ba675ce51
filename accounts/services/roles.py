"""What a user may do in their account."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts.models import User
from accounts.notices import notice
from accounts.services.locks import Invalid, admitted, keep_an_administrator, locked, of_user
from accounts.services.sessions import drop_sessions
from accounts.services.users import known_roles
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission, Role, in_words


@transaction.atomic
def change_roles(*, user: User, roles: Iterable[str], by: Actor) -> User:
    """Give the user these roles of the account and no others; every session ends, so that none carries the old ones.

    Granting one needs the confirmation "user.roles" of the user's primary key. Support is granted by a command alone.
    Raises Denied, AccountNotActive, NotConfirmed, LastAdministrator, Invalid.
    """
    account = admitted(user.account, Permission.USERS_CHANGE, by)
    user = locked(user)
    if account is None:
        raise Invalid({"roles": "Support has no roles in an account."})
    before, after = list(user.roles), known_roles(account, roles)
    if before == after:
        return user
    if Role.ADMINISTRATOR not in after:
        keep_an_administrator(user)
    if set(after) - set(before):
        by.spend_confirmation("user.roles", str(user.pk))
    user.roles = after
    drop_sessions(user)
    user.save(update_fields=["roles", "sessions_ended"])
    notice(user, "role_changed", before=in_words(before), after=in_words(after), by=by.label)
    changes = {"roles": [before, after]}
    record("user.roles_changed", by=by, account_id=user.account_id, target=of_user(user), changes=changes)
    return user
