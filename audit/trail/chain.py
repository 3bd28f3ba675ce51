"""The keyed chain over the trail: canonical bytes and their MAC. Pure; nothing here reads a database or a setting.

A MAC covers the one before it, so an edited, removed, inserted or moved row breaks every later link for whoever lacks
the key. Each part is preceded by its length, so that no byte can move from one part into its neighbour.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from typing import Any

from core.redaction import redact

PURPOSE = b"keyward-audit-v1"
FIRST_PREV = bytes(32)
MAX_TEXT_LENGTH = 4_000
# Bytes that SHA-256 takes in at a time.
SHA256_BLOCK_BYTES = 64

_NOT_STORABLE = {0: "\N{REPLACEMENT CHARACTER}", **dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")}


def sanitize_text(text: str) -> str:
    """`text` as the trail may keep it for ever: as PostgreSQL can hold it, in text and in jsonb (no NUL, no lone
    surrogate), of bounded length, and without the secrets that people paste where they do not belong."""
    text = redact(text).translate(_NOT_STORABLE)
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"


def sanitize(value: Any) -> Any:
    """`value` as storable JSON; TypeError names what JSON does not know, because a repr would hide what was meant."""
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


def format_canonical(body: Mapping[str, Any]) -> str:
    """The one text of `body` that is stored and signed: sorted names, no white space, UTF-8 as it is."""
    return dump_json(sanitize(body))


def dump_json(body: Any) -> str:
    """The same of what is storable JSON already."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def format_instant(at: datetime) -> str:
    """`at` in UTC with microseconds, as signed: 2026-11-20T17:36:00.000000Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def compute_mac(key: bytes, prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 of one row. `seq` is decimal, `at` as `instant` gives it, `body` the stored text in UTF-8."""
    return hmac.digest(key, _build_message(prev, seq, at, body), "sha256")


def build_mac_function(key: bytes) -> Callable[[bytes, bytes, bytes, bytes], bytes]:
    """Return `mac` under this key for very many rows, at half the cost: the two hashes that HMAC begins with depend on
    the key alone and are made once (RFC 2104, section 4)."""
    block = (key if len(key) <= SHA256_BLOCK_BYTES else sha256(key).digest()).ljust(SHA256_BLOCK_BYTES, b"\0")
    inner, outer = sha256(bytes(byte ^ 0x36 for byte in block)).copy, sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def mac(prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
        within, around = inner(), outer()
        within.update(_build_message(prev, seq, at, body))
        around.update(within.digest())
        return around.digest()

    return mac


def _build_message(prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
    return b"%b%b%b%b%b%b%b%b%b" % (
        PURPOSE,
        len(prev).to_bytes(8, "big"),
        prev,
        len(seq).to_bytes(8, "big"),
        seq,
        len(at).to_bytes(8, "big"),
        at,
        len(body).to_bytes(8, "big"),
        body,
    )
