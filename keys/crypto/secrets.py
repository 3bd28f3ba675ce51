"""Generate, parse, mask and digest tokens. Pure.

Format: `<prefix>_<id12>_<secret32><crc6>` in base62. id12 is the key's API ID; crc6 is the CRC-32 of everything before
it, which detects typing errors and helps secret scanners, and is not a security check. Only the keyed digest of a token
is stored.
"""

from __future__ import annotations

import hmac
import re
import secrets
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from core.redaction import BASE62, ID_LENGTH, SECRET_LENGTH

_PAIRS = tuple(first + second for first in BASE62 for second in BASE62)
CHECKSUM_LENGTH = 6

_TOKEN = re.compile(rf"([A-Za-z0-9]{{1,20}})_([A-Za-z0-9]{{{ID_LENGTH}}})_([A-Za-z0-9]{{32}})([A-Za-z0-9]{{6}})")
# A token as pages show it, with its secret masked.
_MASKED_TOKEN = re.compile(rf"[A-Za-z0-9]{{1,20}}_([A-Za-z0-9]{{{ID_LENGTH}}})_\*+")


class GeneratedToken(NamedTuple):
    """A new token in clear text, which is shown once and never stored."""

    public_id: str
    token: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public_id})"


def generate_public_id() -> str:
    return "".join(secrets.choice(BASE62) for _ in range(ID_LENGTH))


def generate_token(prefix: str, public_id: str | None = None) -> GeneratedToken:
    """Return a new token with a new API ID, or with `public_id` for an existing key."""
    public_id = public_id or generate_public_id()
    body = f"{prefix}_{public_id}_" + "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return GeneratedToken(public_id, body + compute_checksum(body))


def compute_checksum(body: str) -> str:
    """Return the CRC-32 of the ASCII text as six base62 digits, most significant first."""
    rest, low = divmod(crc32(body.encode("ascii")), 62 * 62)
    high, middle = divmod(rest, 62 * 62)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def parse_token(token: str) -> str | None:
    """Return the API ID of a well-formed token with a valid checksum and any prefix; else None. Uses no database."""
    match = _TOKEN.fullmatch(token)
    if match is None or compute_checksum(token[:-CHECKSUM_LENGTH]) != token[-CHECKSUM_LENGTH:]:
        return None
    return match[2]


def compute_digest(token: str, pepper: bytes) -> bytes:
    """Return the 32 bytes of HMAC-SHA256 of the token, keyed by the pepper.

    A slow hash is not needed: 32 random base62 digits cannot be guessed.
    """
    keyed = _get_keyed_hmac(pepper).copy()
    keyed.update(token.encode("ascii"))
    return keyed.digest()


@lru_cache(maxsize=64)
def _get_keyed_hmac(pepper: bytes) -> hmac.HMAC:
    """Return the HMAC state after the key, which is the same for every token; caching it saves a third of the time."""
    return hmac.new(pepper, digestmod="sha256")


def mask_token(prefix: str, public_id: str) -> str:
    """Return the token with its secret part masked."""
    return f"{prefix}_{public_id}_********"


def parse_masked_token(text: str) -> str:
    """Return the API ID of a masked token (`kw_<API ID>_********`); any other text unchanged."""
    match = _MASKED_TOKEN.fullmatch(text.strip())
    return match[1] if match else text
