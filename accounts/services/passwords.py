"""Set a forgotten password: through a link in a mail, or by an operator."""

from __future__ import annotations

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from accounts.security_mails import send_security_mail
from accounts.services.locks import Invalid, build_user_target, lock_user
from accounts.services.sessions import delete_sessions
from audit.trail.record import record
from core import mail
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission


class InvalidResetLink(Exception):
    """Since the link was mailed, the password was changed, another link requested or the user deactivated."""


@transaction.atomic
def request_reset(*, email: str, by: Actor) -> None:
    """Mail a link that sets a new password within an hour; to an address without an active user, mail that there is
    none. The caller cannot tell the two apart."""
    email = email.strip().lower()
    user = User.objects.select_for_update().filter(email=email).first()
    if user is not None and user.is_active:
        # Invalidates earlier links.
        user.reset_links += 1
        user.save(update_fields=["reset_links"])
        key = default_token_generator.make_token(user)
        link = mail.build_url("account_reset_password_from_key", user_pk_to_url_str(user), key)
        mail.send("password_reset", email, email=email, link=link, action="Set a new password")
    else:
        mail.send("password_reset_unknown", email, email=email)
    target = build_user_target(user) if user else None
    record("password.reset_requested", by=by, account_id=user.account_id if user else None, target=target, email=email)


@transaction.atomic
def reset_password(*, user: User, password: str, by: Actor) -> User:
    """Set the password chosen through a link that was valid for `user` as given; end all sessions.

    The form has validated the password. Second factors stay. Raise InvalidResetLink.
    """
    now = lock_user(user)
    changed = (now.password, now.reset_links) != (user.password, user.reset_links)
    if changed or not now.is_active:
        raise InvalidResetLink
    now.set_password(password)
    delete_sessions(now)
    now.save(update_fields=["password", "sessions_ended"])
    send_security_mail(now, "password_changed", address=by.address or "")
    record("password.reset", by=by, account_id=now.account_id, target=build_user_target(now))
    return now


@transaction.atomic
def set_password(*, user: User, password: str, by: Actor) -> User:
    """Set the password that an operator chose; end all sessions and notify the user by mail. Second factors stay.

    Raise Denied unless a command acts, Invalid for a password that the validators reject.
    """
    if by.kind != "command":
        raise Denied(Permission.USERS_CHANGE)
    user = lock_user(user)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid({"password": error.messages}) from error
    user.set_password(password)
    delete_sessions(user)
    user.save(update_fields=["password", "sessions_ended"])
    send_security_mail(user, "password_changed", address="")
    record("password.set", by=by, account_id=user.account_id, target=build_user_target(user))
    return user
