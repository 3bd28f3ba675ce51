"""Mails to users about changes to their own sign-in."""

from __future__ import annotations

from typing import Literal

from accounts.models import User
from core.actor import Actor
from core.mail import build_url, send

SecurityMail = Literal[
    "new_address",
    "factor_added",
    "factor_removed",
    "factors_removed",
    "password_changed",
    "role_changed",
    "sessions_ended",
    "administrator_appointed",
]


def send_security_mail(user: User, kind: SecurityMail, **facts: str) -> None:
    """Mail the user about a change to their sign-in, so that they notice one that they did not make.

    Facts: new_address has `address` and `agent`, factor_added and factor_removed `factor` ("a passkey"),
    password_changed `address`, role_changed `before`, `after` and `by`, factors_removed and sessions_ended `by`,
    administrator_appointed `email`, `account` and `by`.
    """
    send(kind, user.email, link=build_url("account_login"), nickname=user.nickname, **facts)


def format_actor(by: Actor) -> str:
    """Return who acted, for the start of a mail's sentence: a user's e-mail, or the operator for a command."""
    return by.label if by.kind == "user" else "The operator of this installation"
