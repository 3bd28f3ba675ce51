"""What django-allauth keeps of second factors is sealed: whoever reads the database cannot make a code."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings

from keys.sealing import open_sealed, seal

# Nobody's key opens as a factor, and no factor as a key.
_PLACE: dict[str, Any] = {"purpose": "second factor", "account": 0, "key": "", "secret": ""}


class MFAAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return b64encode(seal(text, ring=settings.SEALING_KEYS, **_PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return open_sealed(b64decode(encrypted_text), ring=settings.SEALING_KEYS, **_PLACE)

    def get_totp_issuer(self) -> str:
        return "Keyward"
