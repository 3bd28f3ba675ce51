"""Tokens of password-reset links: only the latest one of an active user is valid."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from accounts.models import User


class ResetTokenGenerator(PasswordResetTokenGenerator):
    """Django's tokens, also invalid once a newer one is requested, the sessions are ended or the e-mail changes."""

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int | datetime) -> str:
        assert isinstance(user, User)
        user_state = f"{user.reset_links} {user.sessions_ended} {user.email}"
        return f"{super()._make_hash_value(user, timestamp)} {user_state}"  # type: ignore[arg-type]

    def check_token(self, user: User | None, token: str | None) -> bool:
        return user is not None and user.is_active and super().check_token(user, token)
