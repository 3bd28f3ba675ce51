"""What Keyward expects of allauth's private functions."""

from __future__ import annotations

import base64
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from accounts import allauth_internals

ROOT = Path(__file__).resolve().parents[3]
ONLY_FILE = "accounts/allauth_internals.py"


def test_a_moved_function_is_named_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "allauth.mfa.totp.internal.auth", None)
    source = (ROOT / ONLY_FILE).read_text()
    with pytest.raises(ImportError, match=r"django-allauth [\d.]+ moved .*allauth\.mfa\.totp\.internal\.auth"):
        exec(compile(source, ONLY_FILE, "exec"), {"__name__": "accounts.copy"})


# RFC 4226, appendix D.
@pytest.mark.parametrize(("counter", "code"), [(0, "755224"), (1, "287082"), (4, "338314"), (9, "520489")])
def test_one_time_codes_are_those_of_rfc_4226(counter: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert allauth_internals.format_hotp_value(allauth_internals.hotp_value(secret, counter)) == code


def test_a_short_code_keeps_its_leading_zeros() -> None:
    assert allauth_internals.format_hotp_value(42) == "000042"


def test_a_code_counts_in_its_period_and_in_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 3_000.0)
    assert list(allauth_internals.yield_hotp_counters_from_time()) == [99, 100, 101]


def test_a_totp_secret_has_160_random_bits_in_base32() -> None:
    first, second = allauth_internals.generate_totp_secret(), allauth_internals.generate_totp_secret()
    assert first != second
    assert len(base64.b32decode(first)) == 20


def test_a_typed_code_loses_what_people_put_between_its_digits() -> None:
    assert allauth_internals.normalize_user_code(" 123-456 ") == "123456"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (allauth_internals.TOTP.activate, ["user", "secret"]),
        (allauth_internals.RecoveryCodes.activate, ["user"]),
        (allauth_internals.RecoveryCodes.generate_codes, ["self"]),
        (allauth_internals.RecoveryCodes.validate_code, ["self", "code"]),
        (allauth_internals.WebAuthn.add, ["user", "name", "credential"]),
        (allauth_internals.get_credentials, ["user"]),
        (allauth_internals.get_authenticator_by_credential_id, ["user", "credential_id"]),
        (allauth_internals.login_stage_required, ["stage", "redirect_urlname"]),
    ],
)
def test_functions_take_what_keyward_gives(function: Callable[..., Any], parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters


def test_recovery_codes_come_from_their_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Authenticator(type=Authenticator.Type.RECOVERY_CODES, data={"seed": "seed", "used_mask": 0})
    monkeypatch.setattr("allauth.mfa.recovery_codes.internal.auth.decrypt", str)
    codes = allauth_internals.RecoveryCodes(row).generate_codes()
    assert len(set(codes)) == 10
    assert codes == allauth_internals.RecoveryCodes(row).generate_codes()
