"""Read the users of an account for pages and files."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from accounts.models import Account, User
from core.permissions import Role

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def list_users(account: Account | None) -> QuerySet[User]:
    """Return the account's users, with the number of live keys they own (`key_count`) and whether they have a
    `second_factor`."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=SECOND_FACTORS)
    if account is None:
        return User.objects.none()
    return User.objects.filter(account=account).annotate(
        key_count=Count("keys", filter=Q(keys__deleted_at=None)), second_factor=Exists(factors)
    )


def list_administrators(account: Account) -> QuerySet[User]:
    """Return the account's active Administrators, the oldest user first."""
    return User.objects.filter(account=account, is_active=True, roles__contains=[Role.ADMINISTRATOR]).order_by("pk")


def count_sessions(user: User) -> int:
    """Return the number of the user's sessions that have not expired."""
    live = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=Now())
    return UserSession.objects.filter(Exists(live), user=user).count()
