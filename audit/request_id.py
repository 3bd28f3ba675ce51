"""Request IDs: UUIDv7 (RFC 9562), made here and never adopted from outside."""

from __future__ import annotations

import os
import time


def new_request_id() -> str:
    """48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | (0x7 << 76) | ((noise >> 68) << 64) | (0b10 << 62) | (noise & 0x3FFFFFFFFFFFFFFF)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
