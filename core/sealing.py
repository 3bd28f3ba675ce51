"""Sealing of secrets that must be readable again: AES-256-GCM, bound to the place where the sealed form is stored.
Pure.

A sealed form is `version (1 byte) | number of the sealing key (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The
additional data names version, purpose, account, key and secret, so that a copy in any other row does not open.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
NONCE_LENGTH = 12
_HEADER = struct.Struct(">BI")
HEADER_LENGTH = _HEADER.size


class SealBroken(Exception):
    """The sealed form does not open: it was changed or moved, or its key is not configured. Deliberately says no
    more."""


def seal(plain: str, *, ring: Mapping[int, bytes], purpose: str, account: int, key: str, secret: str) -> bytes:
    """Return `plain` encrypted under the newest key of the ring (keys of 32 bytes, by number)."""
    number = max(ring)
    nonce = secrets.token_bytes(NONCE_LENGTH)
    bound = _additional_data(purpose, account, key, secret)
    return build_header(number) + nonce + AESGCM(ring[number]).encrypt(nonce, plain.encode(), bound)


def open_sealed(sealed: bytes, *, ring: Mapping[int, bytes], purpose: str, account: int, key: str, secret: str) -> str:
    """Return the text that was sealed for exactly this place. Raise SealBroken."""
    try:
        version, number = _HEADER.unpack_from(sealed)
        if version != VERSION:
            raise SealBroken
        nonce, body = sealed[_HEADER.size :][:NONCE_LENGTH], sealed[_HEADER.size + NONCE_LENGTH :]
        bound = _additional_data(purpose, account, key, secret)
        return AESGCM(ring[number]).decrypt(nonce, body, bound).decode()
    except (struct.error, KeyError, InvalidTag, ValueError) as error:
        raise SealBroken from error


def build_header(number: int) -> bytes:
    """Return the first bytes of every sealed form under this key."""
    return _HEADER.pack(VERSION, number)


def get_sealing_key_number(sealed: bytes) -> int:
    """Return the number of the key in a sealed form's header; 0, which no key has, if the form is too short."""
    return int(_HEADER.unpack_from(sealed)[1]) if len(sealed) >= HEADER_LENGTH else 0


def _additional_data(purpose: str, account: int, key: str, secret: str) -> bytes:
    """Return the parts, each after its length, so that no two places share their additional data."""
    parts = (str(VERSION), purpose, str(account), key, secret)
    return b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in parts)
