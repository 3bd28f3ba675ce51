"""Passkeys (WebAuthn): build the options for browsers and verify their answers.

A challenge is for one user, one action and one object. It is kept in the database and deleted on first use.
"""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.allauth_internals import get_authenticator_by_credential_id, get_credentials
from accounts.models import PasskeyChallenge, User

CHALLENGE_LIFETIME = timedelta(minutes=5)
MAX_ANSWER_LENGTH = 100_000  # characters of an answer
REGISTRATION = "factor.add"


def build_request_options(user: User, action: str, target: str) -> dict[str, Any]:
    """Return the options for navigator.credentials.get, JSON-serialisable."""
    challenge = _create_challenge(user, action, target)
    options, _ = _build_server().authenticate_begin(
        get_credentials(user), user_verification=UserVerificationRequirement.PREFERRED, challenge=challenge
    )
    return dict(options)


def verify_assertion(user: User, answer: str, action: str, target: str) -> bool:
    """Return whether a passkey of this user signed an open challenge for this action and target."""
    try:
        response = _parse_answer(answer)
        state = _consume_challenge(
            user, action, target, AuthenticationResponse.from_dict(response).response.client_data.challenge
        )
        signed_by = _build_server().authenticate_complete(state, get_credentials(user), response)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    passkey = get_authenticator_by_credential_id(user, signed_by.credential_id)
    if passkey is None:
        return False
    passkey.record_usage()
    return True


def build_creation_options(user: User) -> dict[str, Any]:
    """Return the options for navigator.credentials.create, JSON-serialisable."""
    options, _ = _build_server().register_begin(
        PublicKeyCredentialUserEntity(id=str(user.pk).encode(), name=user.email, display_name=user.nickname),
        credentials=get_credentials(user),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
        challenge=_create_challenge(user, REGISTRATION, ""),
        extensions={"credProps": True},
    )
    return dict(options)


def verify_registration(user: User, answer: str) -> dict[str, Any] | None:
    """Return the new credential to store; None if it answers no open challenge or is already stored."""
    try:
        response = _parse_answer(answer)
        registration = RegistrationResponse.from_dict(response)
        state = _consume_challenge(user, REGISTRATION, "", registration.response.client_data.challenge)
        _build_server().register_complete(state, response)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if any(known.credential_id == registration.raw_id for known in get_credentials(user)):
        return None
    return response


def delete_expired_challenges() -> int:
    """Delete the expired challenges and return their number."""
    return PasskeyChallenge.objects.filter(expires_at__lt=timezone.now()).delete()[0]


def has_passkey(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).exists()


def _create_challenge(user: User, action: str, target: str) -> bytes:
    challenge = secrets.token_bytes(32)
    expires_at = timezone.now() + CHALLENGE_LIFETIME
    PasskeyChallenge.objects.create(challenge=challenge, user=user, action=action, target=target, expires_at=expires_at)
    return challenge


def _consume_challenge(user: User, action: str, target: str, challenge: bytes) -> dict[str, str]:
    """Delete the challenge and return it as python-fido2's state; a challenge is used once, whether the answer is right
    or wrong. Raise ValueError if there is none."""
    open_challenges = PasskeyChallenge.objects.filter(
        challenge=challenge, user=user, action=action, target=target, expires_at__gt=timezone.now()
    )
    if open_challenges.delete()[0] != 1:
        raise ValueError("no such challenge")
    return {"challenge": websafe_encode(challenge), "user_verification": UserVerificationRequirement.PREFERRED}


def _parse_answer(answer: str) -> dict[str, Any]:
    response = json.loads(answer) if len(answer) <= MAX_ANSWER_LENGTH else None
    if not isinstance(response, dict):
        raise ValueError("not an object")
    return response


def _build_server() -> Fido2Server:
    """Return python-fido2's server for BASE_URL, whatever host a request names."""
    party = PublicKeyCredentialRpEntity(id=urlsplit(settings.BASE_URL).hostname, name="Keyward")
    return Fido2Server(party, verify_origin=lambda origin: origin == settings.BASE_URL)
