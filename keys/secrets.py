"""The token: how it is made, read, checked and digested. Pure.

Form: `<prefix>_<id12>_<secret32><crc6>`, base62. id12 is the key's API ID; crc6 is the CRC-32 of everything before it,
a help against typing errors and for scanners, never a security check. Only the keyed digest of a token is stored.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64decode
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote
from zlib import crc32

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(first + second for first in BASE62 for second in BASE62)
ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6

_TOKEN = re.compile(rf"([A-Za-z0-9]{{1,20}})_([A-Za-z0-9]{{{ID_LENGTH}}})_([A-Za-z0-9]{{32}})([A-Za-z0-9]{{6}})")
# Whatever holds a whole secret, with its checksum or without, is hidden to its end. It is looked for from its first
# underscore: a pattern that begins with the prefix takes a millisecond for a query of 7 kB, and every call pays for it.
_TOKEN_AFTER_PREFIX = re.compile(rf"_[A-Za-z0-9]{{{ID_LENGTH}}}_[A-Za-z0-9]{{{SECRET_LENGTH},}}")
MAX_PREFIX_LENGTH = 20
# Names under which clients put secrets into query strings, although none is ever read from there.
_SECRET_NAMES = {
    *("apikey", "api_key", "api-key", "accesstoken", "access_token", "access-token"),
    *("authtoken", "auth_token", "auth-token", "token", "secret", "password", "passwd", "signature", "leadidkey"),
}
# Enough of a token that it must not go into an address: half of its secret.
_TOKEN_PART = re.compile(rf"[A-Za-z0-9]{{1,20}}_[A-Za-z0-9]{{{ID_LENGTH}}}_[A-Za-z0-9]{{{SECRET_LENGTH // 2}}}")
_BASIC = re.compile(r"(?i)\bbasic[ +]+([A-Za-z0-9+/]{16,}={0,2})")
# As tokens are shown with their secret hidden.
_HIDDEN = re.compile(rf"[A-Za-z0-9]{{1,20}}_([A-Za-z0-9]{{{ID_LENGTH}}})_\*+")
REDACTED = "[secret]"


class Minted(NamedTuple):
    """A new secret in clear, to be shown once and never stored so."""

    public_id: str
    token: str

    def __repr__(self) -> str:
        return f"Minted({self.public_id})"


def new_public_id() -> str:
    return "".join(secrets.choice(BASE62) for _ in range(ID_LENGTH))


def mint(prefix: str, public_id: str | None = None) -> Minted:
    """A new token; for a key that has an API ID already, pass it."""
    public_id = public_id or new_public_id()
    body = f"{prefix}_{public_id}_" + "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return Minted(public_id, body + checksum(body))


def checksum(body: str) -> str:
    """CRC-32 of the ASCII text in six base62 digits, most significant first."""
    rest, low = divmod(crc32(body.encode("ascii")), 62 * 62)
    high, middle = divmod(rest, 62 * 62)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def parse(token: str) -> str | None:
    """The API ID in a well-formed token with a right checksum, of whatever prefix; else None. No look-up is made."""
    match = _TOKEN.fullmatch(token)
    if match is None or checksum(token[:-CHECKSUM_LENGTH]) != token[-CHECKSUM_LENGTH:]:
        return None
    return match[2]


def digest(token: str, pepper: bytes) -> bytes:
    """HMAC-SHA256 of the token under a pepper: 32 bytes. Fast on purpose: 32 base62 digits leave nothing to guess."""
    keyed = _keyed(pepper).copy()
    keyed.update(token.encode("ascii"))
    return keyed.digest()


@lru_cache(maxsize=64)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """What is the same for every token; begun anew for each, a digest takes half as long again."""
    return hmac.new(pepper, digestmod="sha256")


def masked(prefix: str, public_id: str) -> str:
    """Return what is shown of a token: all but its secret part."""
    return f"{prefix}_{public_id}_********"


def unmask(text: str) -> str:
    """Return the API ID in a token that is shown with its secret hidden (`kw_<API ID>_********`); else the text."""
    match = _HIDDEN.fullmatch(text.strip())
    return match[1] if match else text


def redact(text: str) -> str:
    """Text from outside without anything that looks like a token, percent-encoded ones and named parameters too."""
    if "=" in text:
        text = "&".join(map(_hide_value, text.split("&")))
    text = _hide_tokens(text)
    return REDACTED if "%" in text and _hides_token(text) else text


def _hide_tokens(text: str) -> str:
    kept, end = [], 0
    found = _TOKEN_AFTER_PREFIX.search(text)
    while found:
        begin = found.start()
        while begin > end and found.start() - begin < MAX_PREFIX_LENGTH and text[begin - 1] in BASE62:
            begin -= 1
        if begin < found.start():
            kept += [text[end:begin], REDACTED]
            end = found.end()
            found = _TOKEN_AFTER_PREFIX.search(text, end)
        else:
            found = _TOKEN_AFTER_PREFIX.search(text, found.start() + 1)
    return "".join([*kept, text[end:]]) if kept else text


def _hide_value(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    return f"{name}={REDACTED}" if value and name.lower() in _SECRET_NAMES else parameter


def holds_secret(text: str) -> bool:
    """Return whether the text holds a token or half of one, percent-encoded or in an HTTP Basic header too, or a
    parameter that `redact` hides."""
    return redact(text) != text or bool(_TOKEN_PART.search(f"{unquote(text)} {decode_basic(unquote(text))}"))


def decode_basic(text: str) -> str:
    """Return the `username:password` of each HTTP Basic header in the text, a line each."""
    return "\n".join(filter(None, map(_decode_pair, _BASIC.findall(text))))


def _decode_pair(encoded: str) -> str:
    try:
        return b64decode(encoded).decode()
    except ValueError:
        return ""


def _hides_token(text: str) -> bool:
    """Whether percent-decoding shows a token, or goes on and on."""
    for _ in range(4):
        decoded = unquote(text)
        if decoded == text:
            return False
        if _hide_tokens(decoded) != decoded:
            return True
        text = decoded
    return True
