"""Detect secrets that were not generated at random: placeholders, patterns, words."""

from __future__ import annotations

import re
from itertools import pairwise

# Of 32 random bytes about 30 are distinct; fewer than this is less likely than guessing the key.
MIN_DISTINCT_BYTES = 16
# Of 32 random hexadecimal digits about 14 are distinct.
MIN_DISTINCT_CHARACTERS = 8
PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|this|it)|example|placeholder|password|passwd|hunter2|insecure|default|qwerty|letmein|"
    r"secret[-_ ]?(key|here)",
    re.IGNORECASE,
)


def is_guessable(key: bytes) -> bool:
    """Return whether binary key material has a pattern, or is text, which random bytes are not."""
    printable = all(32 <= byte < 127 for byte in key)
    return printable or len(set(key)) < MIN_DISTINCT_BYTES or _has_pattern(key)


def is_guessable_text(text: str) -> bool:
    """Return whether a secret given as text has a pattern, few different characters or the words of a placeholder."""
    distinct = len(set(text)) < MIN_DISTINCT_CHARACTERS
    return distinct or PLACEHOLDER.search(text) is not None or _has_pattern(text.encode())


def _has_pattern(data: bytes) -> bool:
    """Return whether `data` repeats a part of itself, or only counts up or down."""
    # A periodic text occurs in its own doubling before the second half.
    repeats = (data + data).find(data, 1) < len(data) or data[: len(data) // 2] in data[len(data) // 2 :]
    steps = {(after - before) % 256 for before, after in pairwise(data)}
    return repeats or len(steps) < 4
