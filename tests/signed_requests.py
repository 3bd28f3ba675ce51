"""Signed requests and recording links, as a client of its own would make them: nothing of ours builds the text."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from tests.factories.key_rows import KeyAndToken

Headers = tuple[tuple[str, str], ...]


def signed(
    key: KeyAndToken,
    *,
    method: str = "GET",
    path: str = "/customers",
    query: str = "",
    body: bytes = b"",
    at: float | None = None,
    nonce: str | None = None,
) -> Headers:
    """Return the five headers. `path` and `query` are canonical as they stand."""
    timestamp, nonce = str(int(time.time() if at is None else at)), nonce or secrets.token_urlsafe(16)
    body_sha256 = hashlib.sha256(body).hexdigest()
    text = "\n".join((method, path, query, timestamp, nonce, body_sha256))
    return (
        ("X-Api-Id", key.key.public_id),
        ("X-Timestamp", timestamp),
        ("X-Nonce", nonce),
        ("X-Body-Sha256", body_sha256),
        ("X-Signature", hmac.new(key.token.encode(), text.encode(), "sha256").hexdigest()),
    )


def link(key: KeyAndToken, lead_id: str, expires: float) -> str:
    """Return the path and query under which a recording is downloaded."""
    signature = hmac.new(key.token.encode(), f"{lead_id}.{int(expires)}".encode(), "sha256").hexdigest()
    return f"/recordings/{lead_id}?apiId={key.key.public_id}&expires={int(expires)}&leadIdKey={signature}"
