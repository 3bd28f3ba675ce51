"""Keyed hash chain over the trail: canonical text of an event and its MAC. Pure: no database, no settings.

Each MAC covers the one before it, so that without the key no event can be edited, removed, inserted or moved without
breaking the chain. Each part is preceded by its length, so that no byte can move from one part to the next.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Any

from core.redaction import redact

PURPOSE = b"keyward-audit-v1"
FIRST_PREV = bytes(32)
MAX_TEXT_LENGTH = 4_000
# Block size of SHA-256, which HMAC pads its key to.
SHA256_BLOCK_BYTES = 64

_NOT_STORABLE = {0: "\N{REPLACEMENT CHARACTER}", **dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")}


def sanitize_text(text: str) -> str:
    """Return the text as the trail may store it: with secrets redacted, NUL and lone surrogates (which PostgreSQL's
    text and jsonb cannot hold) replaced, and cut to MAX_TEXT_LENGTH characters."""
    text = redact(text).translate(_NOT_STORABLE)
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"


def sanitize(value: Any) -> Any:
    """Return the value as JSON types with sanitized text, mappings and sequences included. Raise TypeError for other
    types, because their repr would not be readable later."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise TypeError(f"{value!r} has no form in JSON")
        return value
    if isinstance(value, Mapping):
        return {sanitize_text(str(name)): sanitize(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [sanitize(item) for item in value]
    raise TypeError(f"{type(value).__name__} {value!r} has no form in JSON; give text")


def dump_json(body: Any) -> str:
    """Return the canonical JSON of a sanitized value, which is stored and signed: sorted names, no white space, no
    escapes beyond those that JSON requires."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def format_instant(at: datetime) -> str:
    """Return the time in UTC with microseconds, as signed: 2026-11-20T17:36:00.000000Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def compute_mac(key: bytes, prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
    """Return the HMAC-SHA256 of one event. `prev` is the MAC before it, `seq` its place in decimal, `at` its time as
    format_instant returns it, `body` the stored text in UTF-8."""
    return hmac.digest(key, _build_message(prev, seq, at, body), "sha256")


def build_mac_function(key: bytes) -> Callable[[bytes, bytes, bytes, bytes], bytes]:
    """Return compute_mac for a fixed key, at half the cost for many events: the two hashes that HMAC begins with depend
    on the key alone and are computed once (RFC 2104, section 4)."""
    block = (key if len(key) <= SHA256_BLOCK_BYTES else sha256(key).digest()).ljust(SHA256_BLOCK_BYTES, b"\0")
    inner, outer = sha256(bytes(byte ^ 0x36 for byte in block)).copy, sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def mac(prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
        within, around = inner(), outer()
        within.update(_build_message(prev, seq, at, body))
        around.update(within.digest())
        return around.digest()

    return mac


def _build_message(prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
    return b"".join(
        (
            PURPOSE,
            _format_length(len(prev)),
            prev,
            _format_length(len(seq)),
            seq,
            _format_length(len(at)),
            at,
            _format_length(len(body)),
            body,
        )
    )


@lru_cache(8192)
def _format_length(length: int) -> bytes:
    return length.to_bytes(8, "big")
