"""Signed requests and recording links: what is signed, and how. Pure. Both algorithms are Keyward's own.

Client and gateway build the same text from one request; docs/signature-vectors.json holds worked examples.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

# Seconds that a signed request's time may be off, and that a recording link may run ahead.
WINDOW_SECONDS = 300
MAX_LINK_LIFETIME_SECONDS = 7 * 24 * 3600

_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnreadableQuery(ValueError):
    """A query whose percent-encoding is broken has no canonical form."""


def build_canonical_path(path: str) -> str:
    """The path, decoded once, with everything but unreserved characters and `/` re-encoded. An encoded slash, which is
    decoded as `%2F` (keys/decision/routes.py), is `%2F` again."""
    return quote_from_bytes(path.encode(), safe="/").replace("%252F", "%2F")


def build_canonical_query(query: str) -> str:
    """Pieces between `&`, empty ones dropped; names and values decoded once, where `+` is a plus, and re-encoded;
    always `name=value`; sorted by the encoded bytes of name, then value.

    `query` is what follows the `?`, as latin-1 text of the bytes sent. Raises UnreadableQuery.
    """
    if _BROKEN_ENCODING.search(query):
        raise UnreadableQuery
    pairs = []
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((_reencode(name), _reencode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def build_string_to_sign(*, method: str, path: str, query: str, timestamp: str, nonce: str, body_sha256: str) -> str:
    """What a request's signature is over: `method` as sent, `path` decoded once, `query` as sent."""
    return "\n".join((method, build_canonical_path(path), build_canonical_query(query), timestamp, nonce, body_sha256))


def build_lead_to_sign(lead_id: str, expires: str) -> str:
    """What a recording link's leadIdKey is over."""
    return f"{lead_id}.{expires}"


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 keyed by the whole secret, in lower-case hex: X-Signature, and leadIdKey."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def _reencode(text: str) -> str:
    return quote_from_bytes(unquote_to_bytes(text.encode("latin-1")), safe="")
