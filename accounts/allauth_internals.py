"""The private functions of django-allauth that Keyward calls; no other module imports them.

allauth may move them in any release. An update that does fails here, at import, and
tests/unit/accounts/test_allauth_internals.py says what each must do.
"""

from __future__ import annotations

from importlib.metadata import version

try:
    from allauth.account.internal.decorators import login_stage_required
    from allauth.core.internal.cryptokit import normalize_user_code
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import (
        TOTP,
        format_hotp_value,
        generate_totp_secret,
        hotp_value,
        yield_hotp_counters_from_time,
    )
    from allauth.mfa.webauthn.internal.auth import WebAuthn, get_authenticator_by_credential_id, get_credentials
except ImportError as error:
    raise ImportError(
        f"django-allauth {version('django-allauth')} moved a private function that Keyward calls ({error}): "
        "find its new place, or what replaces it, for accounts/allauth_internals.py."
    ) from error

__all__ = [
    "TOTP",
    "RecoveryCodes",
    "WebAuthn",
    "format_hotp_value",
    "generate_totp_secret",
    "get_authenticator_by_credential_id",
    "get_credentials",
    "hotp_value",
    "login_stage_required",
    "normalize_user_code",
    "yield_hotp_counters_from_time",
]
