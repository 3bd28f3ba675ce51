"""Ending someone's sessions."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.models import User
from accounts.permissions import Permission
from accounts.services.admission import admitted, locked, of_user
from audit.actor import Actor
from audit.record import record


@transaction.atomic
def end_sessions(*, user: User, by: Actor) -> User:
    """Whoever is signed in as this user is signed out at the commit. Raises Denied, AccountNotActive."""
    admitted(user.account, Permission.USERS_DEACTIVATE, by)
    user = locked(user)
    drop_sessions(user)
    user.save(update_fields=["sessions_ended"])
    record("user.sessions_ended", by=by, account_id=user.account_id, target=of_user(user))
    return user


def drop_sessions(user: User) -> None:
    """For services, which save `sessions_ended` with what else they change: it alone makes every session worthless."""
    user.sessions_ended += 1
    told = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=told.values_list("session_key")).delete()
    told.delete()
