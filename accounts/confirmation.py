"""Verify confirmations: the user's password, passkey or TOTP code, sent in the same POST as the one action it allows.

Rate limit: ten failures in ten minutes lock a user's confirmations for ten minutes. An attempt is counted before it is
verified and settled afterwards, each in a short transaction of its own: no row lock is held while argon2 runs, parallel
attempts cannot exceed the limit, and the count survives a rollback of the action.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Literal, NoReturn

from django.contrib.auth.hashers import check_password
from django.db import connection, transaction

from accounts.models import User
from accounts.signin import passkeys, second_factors
from audit.trail.confirmed_actions import CONFIRMED_ACTIONS
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor, Confirmation

ATTEMPT_LIMIT = 10
ATTEMPT_WINDOW = "10 minutes"
LOCK_DURATION = "10 minutes"

# How long an attempt waits while attempts of the same user that are still being verified fill the limit.
WAIT_TIMEOUT_SECONDS = 5.0


class ConfirmationRefused(Exception):
    """The action was not confirmed."""


class WrongPassword(ConfirmationRefused):
    """Not the user's password, code or passkey; `attempts_left` remain before the lock."""

    def __init__(self, attempts_left: int, words: str = "Incorrect password.") -> None:
        super().__init__(words)
        self.attempts_left = attempts_left


class Locked(ConfirmationRefused):
    """Too many failed attempts; locked until `until` (UTC)."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Too many incorrect passwords. Try again after {until:%H:%M} UTC.")
        self.until = until


class NoConfirmationMethod(ConfirmationRefused):
    """The user has no password, passkey or authenticator app to confirm with."""

    def __init__(self) -> None:
        super().__init__(
            "You have no password, passkey or authenticator app to confirm with. Ask an Administrator of your account."
        )


def confirm(
    user: User,
    given: str = "",
    *,
    passkey: str = "",
    action: str,
    target: str,
    about: Target | None = None,
    by: Actor,
    password_only: bool = False,
) -> Confirmation:
    """Verify what was sent and return consent to `action` on `target`, for one use.

    `given` is the password or a TOTP code; `passkey` is the browser's answer to
    accounts.signin.passkeys.build_request_options for the same action and target. A failure is recorded on `about`, the
    object of the action (by default the user), with the address of `by`, the request's actor. Raise
    ConfirmationRefused, or RuntimeError inside the caller's transaction, whose rollback would undo the count.
    """
    if action not in CONFIRMED_ACTIONS:
        raise ValueError(f"{action!r} is not in audit.trail.confirmed_actions")
    user = User.objects.get(pk=user.pk)
    has = frozenset() if password_only else second_factors.get_second_factors(user)
    if not user.is_active or not (user.has_usable_password() or has):
        raise NoConfirmationMethod
    booked = _start_attempt(user)
    method = _verify(user, given, "" if password_only else passkey, action, target, has)
    if method is not None:
        _forget_attempt(user, booked)
        return Confirmation(action=action, target=target, method=method)
    if passkey:
        words = "The passkey could not be verified. Try again, or enter your password."
    elif second_factors.FactorType.TOTP in has:
        words = "Incorrect password or code."
    else:
        words = "Incorrect password."
    _record_failure(
        user, booked, action=action, about=about or Target("user", str(user.pk), user.email), by=by, words=words
    )


def _verify(
    user: User, given: str, passkey: str, action: str, target: str, has: frozenset[str]
) -> Literal["password", "totp", "passkey"] | None:
    if passkey:
        return "passkey" if passkeys.verify_assertion(user, passkey, action, target) else None
    if (
        second_factors.FactorType.TOTP in has
        and second_factors.has_totp_format(given)
        and second_factors.verify_totp(user, given)
    ):
        return "totp"
    # Not user.check_password, which saves the row if the hasher's parameters have changed.
    return "password" if check_password(given, user.password) else None


def _start_attempt(user: User) -> datetime:
    """Count an attempt before it is verified, and return the time that identifies it. Raise Locked."""
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_START_ATTEMPT_SQL, {"user": user.pk, "window": ATTEMPT_WINDOW, "limit": ATTEMPT_LIMIT})
            if row := cursor.fetchone():
                return row[0]
            cursor.execute(_LOCKED_UNTIL_SQL, {"user": user.pk, "lock": LOCK_DURATION})
            locked, until = cursor.fetchone()
        # Full but not locked: other attempts of this user are being verified and may succeed.
        if locked or time.monotonic() > deadline:
            raise Locked(until)
        time.sleep(0.05)


def _forget_attempt(user: User, booked: datetime) -> None:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_FORGET_ATTEMPT_SQL, {"user": user.pk, "booked": booked})


def _record_failure(user: User, booked: datetime, *, action: str, about: Target, by: Actor, words: str) -> NoReturn:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                _COUNT_FAILURE_SQL, {"user": user.pk, "booked": booked, "limit": ATTEMPT_LIMIT, "lock": LOCK_DURATION}
            )
            attempts_left, until = cursor.fetchone()
        if until is None:
            record("confirmation.failed", by=by, account_id=user.account_id, target=about, action=action)
        else:
            moment = until.isoformat(timespec="seconds")
            record("confirmation.locked", by=by, account_id=user.account_id, target=about, action=action, until=moment)
    if until is not None:
        raise Locked(until)
    raise WrongPassword(attempts_left, words)


# clock_timestamp() is read again once the row is locked, so that one user's times are in order.
_START_ATTEMPT_SQL = """
INSERT INTO accounts_confirmationattempts AS a (user_id, wrong, checking, locked_until)
VALUES (%(user)s, '{}', ARRAY[clock_timestamp()], NULL)
ON CONFLICT (user_id) DO UPDATE SET
    wrong = array(SELECT t FROM unnest(a.wrong) t WHERE t > clock_timestamp() - %(window)s::interval ORDER BY t),
    checking = array(SELECT t FROM unnest(a.checking) t WHERE t > clock_timestamp() - %(window)s::interval ORDER BY t)
        || clock_timestamp(),
    locked_until = NULL
WHERE (a.locked_until IS NULL OR a.locked_until <= clock_timestamp())
    AND %(limit)s >
        (SELECT count(*) FROM unnest(a.wrong || a.checking) t WHERE t > clock_timestamp() - %(window)s::interval)
RETURNING checking[cardinality(checking)]
"""

_LOCKED_UNTIL_SQL = """
SELECT coalesce(locked_until > clock_timestamp(), false), coalesce(locked_until, clock_timestamp() + %(lock)s::interval)
FROM accounts_confirmationattempts WHERE user_id = %(user)s
"""

_FORGET_ATTEMPT_SQL = """
UPDATE accounts_confirmationattempts SET checking = array_remove(checking, %(booked)s) WHERE user_id = %(user)s
"""

_COUNT_FAILURE_SQL = """
UPDATE accounts_confirmationattempts SET
    checking = array_remove(checking, %(booked)s),
    wrong = CASE WHEN cardinality(wrong) + 1 >= %(limit)s THEN '{}' ELSE wrong || %(booked)s::timestamptz END,
    locked_until = CASE WHEN cardinality(wrong) + 1 >= %(limit)s THEN clock_timestamp() + %(lock)s::interval END
WHERE user_id = %(user)s
RETURNING %(limit)s - cardinality(wrong), locked_until
"""
