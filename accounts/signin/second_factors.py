"""Second factors: who has one, who must have one, and verification of codes. Rows are allauth's Authenticator."""

from __future__ import annotations

import re

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.db import connection
from django.utils.crypto import constant_time_compare

from accounts.allauth_internals import (
    RecoveryCodes,
    format_hotp_value,
    hotp_value,
    normalize_user_code,
    yield_hotp_counters_from_time,
)
from accounts.models import User

FactorType = Authenticator.Type
SECOND_FACTOR_TYPES = (FactorType.TOTP, FactorType.WEBAUTHN)
_CODE = re.compile(r"\s*\d{3}[ -]?\d{3}\s*")


def get_second_factors(user: User) -> frozenset[str]:
    """Return which of `totp` and `webauthn` the user has."""
    return frozenset(
        Authenticator.objects.filter(user=user, type__in=SECOND_FACTOR_TYPES).values_list("type", flat=True)
    )


def is_second_factor_required(user: User) -> bool:
    return user.is_staff or (user.account is not None and user.account.second_factor_required)


def is_enrolment_required(user: User) -> bool:
    """Return whether the user must add a second factor before anything else."""
    return is_second_factor_required(user) and not get_second_factors(user)


def has_totp_format(text: str) -> bool:
    return _CODE.fullmatch(text) is not None


def verify_totp(user: User, code: str) -> bool:
    """Return whether the TOTP code (RFC 6238) is valid now and unused, and mark it as used."""
    row = Authenticator.objects.filter(user=user, type=FactorType.TOTP).first()
    if row is None:
        return False
    step = find_matching_step(decrypt(row.data["secret"]), code)
    if step is None or not consume_step(user, step):
        return False
    row.record_usage()
    return True


def find_matching_step(secret: str, code: str) -> int | None:
    """Return the time step of the code: the current one or an adjacent one, for clock skew; None if it matches none."""
    normalized = normalize_user_code(code)
    for step in yield_hotp_counters_from_time():
        if constant_time_compare(normalized, format_hotp_value(hotp_value(secret, step))):
            return step
    return None


def consume_step(user: User, step: int) -> bool:
    """Mark the code of this step and all earlier ones as used; return False if it was used before."""
    with connection.cursor() as cursor:
        cursor.execute(_CONSUME_STEP_SQL, {"user": user.pk, "step": step})
        return cursor.fetchone() is not None


def verify_recovery_code(user: User, code: str) -> bool:
    """Return whether the code is an unused recovery code, and mark it as used."""
    row = Authenticator.objects.filter(user=user, type=FactorType.RECOVERY_CODES).first()
    if row is None or not RecoveryCodes(row).validate_code(code):
        return False
    row.refresh_from_db()
    row.record_usage()
    return True


_CONSUME_STEP_SQL = """
INSERT INTO accounts_totpuse AS u (user_id, step) VALUES (%(user)s, %(step)s)
ON CONFLICT (user_id) DO UPDATE SET step = excluded.step WHERE u.step < excluded.step
RETURNING step
"""
