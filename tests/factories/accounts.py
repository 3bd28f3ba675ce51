"""Accounts and people for tests. Everyone's password is PASSWORD."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import timedelta
from functools import cache

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.allauth_internals import TOTP, RecoveryCodes, format_hotp_value, generate_totp_secret, hotp_value
from accounts.models import Account, Invitation, SavedFilter, User
from core.actor import Actor
from core.permissions import Role

PASSWORD = "correct horse battery staple"
ADDRESS = "203.0.113.8"


@cache
def _hashed() -> str:
    # Hashing takes a quarter of a second on purpose; once is enough for a test run.
    return make_password(PASSWORD)


def an_account(slug: str = "acme", status: str = Account.Status.ACTIVE) -> Account:
    return Account.objects.create(slug=slug, name=slug.title(), status=status)


def a_user(account: Account | None, nickname: str, *roles: Role, is_active: bool = True) -> User:
    """Signs in as `nickname@slug.example`."""
    return User.objects.create(
        account=account,
        email=f"{nickname}@{account.slug if account else 'support'}.example".lower(),
        nickname=nickname,
        roles=list(roles),
        password=_hashed(),
        is_active=is_active,
    )


def acting(user: User) -> Actor:
    return Actor(kind="user", id=str(user.pk), label=user.email, address=ADDRESS, request_id="r-1")


def an_invitation(account: Account, email: str, *roles: Role, days: float = 7) -> tuple[Invitation, str]:
    """Return the invitation, and the token that its mail's link would have."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        account=account,
        email=email,
        roles=list(roles),
        inviter="alice@acme.example",
        digest=hashlib.sha256(token.encode()).digest(),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return invitation, token


def with_totp(user: User) -> str:
    """Give them an authenticator app and recovery codes; returns the app's secret."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def code_of(secret: str, steps: int = 0) -> str:
    """Return what the app shows now, or `steps` half minutes later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def recovery_codes_of(user: User) -> list[str]:
    return Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()


def a_saved_filter(user: User, list_name: str = "keys", *, shared: bool = False) -> SavedFilter:
    return SavedFilter.objects.create(
        account=user.account, user=user, list_name=list_name, name="Disabled", query="status=disabled", shared=shared
    )
