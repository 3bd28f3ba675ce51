"""The keyed chain over the trail: canonical bytes and their MAC. Pure; nothing here reads a database or a setting.

A MAC covers the one before it, so an edited, removed, inserted or moved row breaks every later link for whoever lacks
the key. Each part is preceded by its length, so that no byte can move from one part into its neighbour.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from keys.secrets import redact

PURPOSE = b"keyward-audit-v1"
FIRST_PREV = bytes(32)
LONGEST_TEXT = 4_000

_NOT_STORABLE = {0: "\N{REPLACEMENT CHARACTER}", **dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")}


def storable(text: str) -> str:
    """`text` as the trail may keep it for ever: as PostgreSQL can hold it, in text and in jsonb (no NUL, no lone
    surrogate), of bounded length, and without the secrets that people paste where they do not belong."""
    text = redact(text).translate(_NOT_STORABLE)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def plain(value: Any) -> Any:
    """`value` as storable JSON; TypeError names what JSON does not know, because a repr would hide what was meant."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise TypeError(f"{value!r} has no form in JSON")
        return value
    if isinstance(value, Mapping):
        return {storable(str(name)): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} {value!r} has no form in JSON; give text")


def canonical(body: Mapping[str, Any]) -> str:
    """The one text of `body` that is stored and signed: sorted names, no white space, UTF-8 as it is."""
    return dump(plain(body))


def dump(body: Any) -> str:
    """The same of what is storable JSON already."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def instant(at: datetime) -> str:
    """`at` in UTC with microseconds, as signed: 2026-11-20T17:36:00.000000Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def mac(key: bytes, prev: bytes, seq: bytes, at: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 of one row. `seq` is decimal, `at` as `instant` gives it, `body` the stored text in UTF-8."""
    message = b"%b%b%b%b%b%b%b%b%b" % (
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
    return hmac.digest(key, message, "sha256")
