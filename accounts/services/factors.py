"""A user's changes to their own sign-in: password, authenticator app, passkeys, recovery codes.

Each change ends all of the user's sessions; accounts.signin.current_session continues the one that asked under a new
key.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.allauth_internals import TOTP, RecoveryCodes, WebAuthn
from accounts.models import User
from accounts.security_mails import send_security_mail
from accounts.services.locks import Invalid, build_user_target, lock_user
from accounts.signin.second_factors import SECOND_FACTOR_TYPES, FactorType, consume_step, is_second_factor_required
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission

MAX_PASSKEY_NAME_LENGTH = 60


class TotpNotAdded(Exception):
    """The user already has an authenticator app, or the code was used before."""


class LastFactor(Exception):
    """The user must keep a second factor, and this is their last one."""

    def __init__(self) -> None:
        super().__init__("A second factor is required, and this is your only one. Add another one first.")


@transaction.atomic
def change_password(*, user: User, password: str, by: Actor) -> User:
    user = _lock_own_user(user, by)
    by.spend_confirmation("password.change", str(user.pk))
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid({"new_password": error.messages}) from error
    user.set_password(password)
    _end_sessions(user, "password")
    send_security_mail(user, "password_changed", address=by.address or "")
    record("password.changed", by=by, account_id=user.account_id, target=build_user_target(user))
    return user


@transaction.atomic
def add_totp(*, user: User, secret: str, step: int, by: Actor) -> tuple[User, list[str]]:
    """Add an authenticator app with this secret. Return the user and, if there were none, new recovery codes.

    `step` is the time step of the code that proved that the app has the secret. Raise TotpNotAdded, Denied,
    ConfirmationRequired.
    """
    user = _lock_own_user(user, by)
    by.spend_confirmation("factor.add", "totp")
    if Authenticator.objects.filter(user=user, type=FactorType.TOTP).exists() or not consume_step(user, step):
        raise TotpNotAdded
    TOTP.activate(user, secret)
    return user, _finish_adding(user, "totp", "an authenticator app", by)


@transaction.atomic
def add_passkey(*, user: User, name: str, credential: dict[str, Any], by: Actor) -> tuple[User, list[str]]:
    """Add a passkey. Return the user and, if there were none, new recovery codes.

    `credential` was verified by accounts.signin.passkeys. Raise Denied, ConfirmationRequired.
    """
    user = _lock_own_user(user, by)
    by.spend_confirmation("factor.add", "passkey")
    WebAuthn.add(user, name[:MAX_PASSKEY_NAME_LENGTH], credential)
    return user, _finish_adding(user, "passkey", f'the passkey "{name[:MAX_PASSKEY_NAME_LENGTH]}"', by)


@transaction.atomic
def remove_factor(*, user: User, factor: int, by: Actor) -> User:
    """Remove a second factor of the user, and with the last one the recovery codes.

    Raise Authenticator.DoesNotExist for another user's, LastFactor if a second factor is required, Denied.
    """
    user = _lock_own_user(user, by)
    row = Authenticator.objects.get(pk=factor, user=user, type__in=SECOND_FACTOR_TYPES)
    by.spend_confirmation("factor.remove", str(row.pk))
    other_factors = Authenticator.objects.filter(user=user, type__in=SECOND_FACTOR_TYPES).exclude(pk=row.pk)
    if not other_factors.exists():
        if is_second_factor_required(user):
            raise LastFactor
        Authenticator.objects.filter(user=user, type=FactorType.RECOVERY_CODES).delete()
    kind, words = (
        ("totp", "The authenticator app") if row.type == FactorType.TOTP else ("passkey", f'The passkey "{row}"')
    )
    row.delete()
    _end_sessions(user)
    send_security_mail(user, "factor_removed", factor=words)
    record("factor.removed", by=by, account_id=user.account_id, target=build_user_target(user), factor=kind)
    return user


@transaction.atomic
def replace_recovery_codes(*, user: User, by: Actor) -> tuple[User, list[str]]:
    user = _lock_own_user(user, by)
    by.spend_confirmation("recovery_codes.replace", str(user.pk))
    Authenticator.objects.filter(user=user, type=FactorType.RECOVERY_CODES).delete()
    codes = RecoveryCodes.activate(user).generate_codes()
    _end_sessions(user)
    record("recovery_codes.replaced", by=by, account_id=user.account_id, target=build_user_target(user))
    return user, codes


def _lock_own_user(user: User, by: Actor) -> User:
    """Return the user, locked. Raise Denied unless the user is the actor."""
    authorization.require(by, Permission.PROFILE, account=user.account)
    if by.id != str(user.pk):
        raise Denied(Permission.PROFILE)
    return lock_user(user)


def _finish_adding(user: User, kind: str, words: str, by: Actor) -> list[str]:
    codes = []
    if not Authenticator.objects.filter(user=user, type=FactorType.RECOVERY_CODES).exists():
        codes = RecoveryCodes.activate(user).generate_codes()
    _end_sessions(user)
    send_security_mail(user, "factor_added", factor=words[0].upper() + words[1:])
    record("factor.added", by=by, account_id=user.account_id, target=build_user_target(user), factor=kind)
    return codes


def _end_sessions(user: User, *fields: str) -> None:
    user.sessions_ended += 1
    user.save(update_fields=["sessions_ended", *fields])
