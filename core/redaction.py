"""Redaction of tokens and other secrets in text from outside. Pure. keys/crypto/secrets.py has the form of a token."""

from __future__ import annotations

import re
from base64 import b64decode
from urllib.parse import unquote

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 12
SECRET_LENGTH = 32
# A text that contains a whole secret, with or without its checksum, is hidden to its end. The pattern begins with the
# first underscore: one that begins with the prefix takes a millisecond for a query of 7 kB, on every call.
_TOKEN_AFTER_PREFIX = re.compile(rf"_[A-Za-z0-9]{{{ID_LENGTH}}}_[A-Za-z0-9]{{{SECRET_LENGTH},}}")
MAX_PREFIX_LENGTH = 20
# Parameter names under which clients put secrets into query strings, although none is ever read from there.
_SECRET_NAMES = {
    *("apikey", "api_key", "api-key", "accesstoken", "access_token", "access-token"),
    *("authtoken", "auth_token", "auth-token", "token", "secret", "password", "passwd", "signature", "leadidkey"),
}
# Enough of a token to keep it out of URLs: half of its secret.
_TOKEN_PART = re.compile(rf"[A-Za-z0-9]{{1,20}}_[A-Za-z0-9]{{{ID_LENGTH}}}_[A-Za-z0-9]{{{SECRET_LENGTH // 2}}}")
# What webhooks are signed with (keys/notices/signature.py).
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,}")
_BASIC = re.compile(r"(?i)\bbasic[ +]+([A-Za-z0-9+/]{16,}={0,2})")
REDACTED = "[secret]"


def redact(text: str) -> str:
    """Return the text with tokens, percent-encoded ones too, and the values of secret parameters replaced by
    REDACTED."""
    if "=" in text:
        text = "&".join(map(_redact_value, text.split("&")))
    text = _redact_tokens(text)
    if "whsec_" in text:
        text = _WEBHOOK_SECRET.sub(REDACTED, text)
    return REDACTED if "%" in text and _contains_encoded_token(text) else text


def _redact_tokens(text: str) -> str:
    pieces, end = [], 0
    found = _TOKEN_AFTER_PREFIX.search(text)
    while found:
        begin = found.start()
        while begin > end and found.start() - begin < MAX_PREFIX_LENGTH and text[begin - 1] in BASE62:
            begin -= 1
        if begin < found.start():
            pieces += [text[end:begin], REDACTED]
            end = found.end()
            found = _TOKEN_AFTER_PREFIX.search(text, end)
        else:
            found = _TOKEN_AFTER_PREFIX.search(text, found.start() + 1)
    return "".join([*pieces, text[end:]]) if pieces else text


def _redact_value(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    return f"{name}={REDACTED}" if value and name.lower() in _SECRET_NAMES else parameter


def contains_secret(text: str) -> bool:
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


def _contains_encoded_token(text: str) -> bool:
    """Return whether percent-decoding reveals a token, or four rounds do not end it."""
    for _ in range(4):
        decoded = unquote(text)
        if decoded == text:
            return False
        if _redact_tokens(decoded) != decoded:
            return True
        text = decoded
    return True
