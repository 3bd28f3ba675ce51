"""Build and sign the texts of signed requests and recording links. Pure. Both algorithms are Keyward's own.

Client and gateway build the same text from a request; docs/signature-vectors.json has test vectors.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

# How far a signed request's timestamp may be off, and how far ahead a recording link may expire, in seconds.
WINDOW_SECONDS = 300
MAX_LINK_LIFETIME_SECONDS = 7 * 24 * 3600

_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnreadableQuery(ValueError):
    """The query has invalid percent-encoding, so it has no canonical form."""


def build_canonical_path(path: str) -> str:
    """Return the decoded path with everything but unreserved characters and `/` percent-encoded.

    An encoded slash, kept as `%2F` when decoding (keys/decision/routes.py), stays `%2F`.
    """
    return quote_from_bytes(path.encode(), safe="/").replace("%252F", "%2F")


def build_canonical_query(query: str) -> str:
    """Return the canonical form of a query, given as latin-1 text of the bytes sent. Raise UnreadableQuery.

    Pieces between `&` are decoded once (`+` is a plus) and re-encoded, always as `name=value`, without empty ones,
    sorted by the encoded bytes of name, then value.
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
    """Return the text that a request's signature covers: `method` as sent, `path` decoded once, `query` as sent."""
    return "\n".join((method, build_canonical_path(path), build_canonical_query(query), timestamp, nonce, body_sha256))


def build_lead_to_sign(lead_id: str, expires: str) -> str:
    """Return the text that a recording link's leadIdKey covers."""
    return f"{lead_id}.{expires}"


def sign(secret: str, text: str) -> str:
    """Return HMAC-SHA256, keyed by the whole secret, in lower-case hex: X-Signature or leadIdKey."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def _reencode(text: str) -> str:
    return quote_from_bytes(unquote_to_bytes(text.encode("latin-1")), safe="")
