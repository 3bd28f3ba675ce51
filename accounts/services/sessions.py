"""End sessions: all of a user's, or some of one's own."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.models import KnownAddress, User
from accounts.security_mails import format_actor, send_security_mail
from accounts.services.locks import build_user_target, lock_for_change, lock_user
from accounts.signin.rate_limits import get_address_key
from accounts.signin.user_agent import format_user_agent
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission


@transaction.atomic
def end_sessions(*, user: User, by: Actor) -> User:
    """Sign the user out everywhere at the commit, and notify them by mail. Raise Denied, AccountNotActive."""
    lock_for_change(user.account, Permission.USERS_DEACTIVATE, by)
    user = lock_user(user)
    delete_sessions(user)
    user.save(update_fields=["sessions_ended"])
    send_security_mail(user, "sessions_ended", by=format_actor(by))
    record("user.sessions_ended", by=by, account_id=user.account_id, target=build_user_target(user))
    return user


def delete_sessions(user: User) -> None:
    """Delete the user's sessions and increment `sessions_ended`, which the caller saves: it alone invalidates every
    session."""
    user.sessions_ended += 1
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=sessions.values_list("session_key")).delete()
    sessions.delete()


@transaction.atomic
def end_session(*, user: User, session: int, by: Actor) -> None:
    """End a session of the user. Raise UserSession.DoesNotExist for another user's."""
    _require_own_user(user, by)
    UserSession.objects.select_for_update().get(pk=session, user=user).end()
    record("session.ended", by=by, account_id=user.account_id, target=build_user_target(user), sessions=1)


@transaction.atomic
def end_other_sessions(*, user: User, keep: str, by: Actor) -> int:
    """End all sessions but the one whose key is `keep`; return how many there were."""
    _require_own_user(user, by)
    ended = list(UserSession.objects.select_for_update().filter(user=user).exclude(session_key=keep).order_by("pk"))
    for session in ended:
        session.end()
    if ended:
        record("session.ended", by=by, account_id=user.account_id, target=build_user_target(user), sessions=len(ended))
    return len(ended)


def _require_own_user(user: User, by: Actor) -> None:
    authorization.require(by, Permission.PROFILE, account=user.account)
    if by.id != str(user.pk):
        raise Denied(Permission.PROFILE)


def notify_new_address(user: User, *, address: str, agent: str) -> None:
    """Mail the user if they sign in from an address for the first time, but have signed in from others. Called during
    sign-in."""
    known = KnownAddress.objects.filter(user=user)
    here, elsewhere = get_address_key(address), list(known.values_list("key", flat=True))
    if here in elsewhere:
        return
    KnownAddress.objects.bulk_create([KnownAddress(user=user, key=here)], ignore_conflicts=True)
    if elsewhere:
        send_security_mail(user, "new_address", address=address, agent=format_user_agent(agent))
