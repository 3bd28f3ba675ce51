"""Find the user that a command's e-mail address names."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import User


def get_user(email: str) -> User:
    """Return the user with this e-mail address, in any case. Raise CommandError."""
    email = email.strip().lower()
    user = User.objects.filter(email=email).first()
    if user is None:
        raise CommandError(f"email: there is no user {email}.")
    return user
