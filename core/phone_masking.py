"""Mask phone numbers in paths and queries for accounts that mask them.

A phone number is a run of 7 to 15 digits with no letter, digit, `_` or `-` beside it; `+` or `%2B`, and any other
percent-escape, may precede it. The value of `expires` is a time, not a phone number. This is not done in SQL because
PostgreSQL's regular expressions take several times as long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

MIN_DIGITS, MAX_DIGITS = 7, 15
# Mark the start and end of a cell that an export masks. No value of the log holds control characters.
MARK_START, MARK_END = "\x01", "\x02"
MARKED = re.compile(b"\x01([^\x02]*)\x02")
# The same in JSON, where a mark is escaped and beside its string's quote, which nothing inside a string can be.
MARKED_JSON = re.compile(rb'"\\u0001(.*?)\\u0002"')


class MaskSettings(Protocol):
    """The attributes of an account that masking reads."""

    mask_phone: bool
    mask_digits: int
    mask_side: str


@dataclass(frozen=True, slots=True)
class Mask:
    """How many digits of each number stay visible, and on which side."""

    digits: int
    side: str  # "first" or "last", counted from the start or from the end

    @classmethod
    def from_account(cls, account: MaskSettings) -> Mask | None:
        """Return the account's mask; None if the account does not mask."""
        return cls(account.mask_digits, account.mask_side) if account.mask_phone else None

    def mask(self, text: str) -> str:
        """Return `text` with an X for each hidden digit: 447911123456 becomes XXXXXXXX3456."""
        pattern = _build_pattern(self)
        return pattern.sub(_mask_digits, text.encode()).decode() if pattern else text

    def mask_marked(self, block: bytes) -> bytes:
        """Return `block` with every part between MARK_START and MARK_END masked and the marks removed."""
        pattern = _build_pattern(self)
        return MARKED.sub(lambda found: pattern.sub(_mask_digits, found[1]) if pattern else found[1], block)

    def mask_marked_json(self, block: bytes) -> bytes:
        """Return lines of JSON with every marked string masked and the marks removed."""
        pattern = _build_pattern(self)
        return MARKED_JSON.sub(
            lambda found: b'"%b"' % (pattern.sub(_mask_digits, found[1]) if pattern else found[1]), block
        )


@lru_cache(maxsize=64)
def _build_pattern(mask: Mask) -> re.Pattern[bytes] | None:
    """Compile the pattern that finds the digits to hide; None if none are hidden.

    Its groups are what precedes a number, its visible, hidden and visible digits; or only an `expires` that is left
    unchanged. Escapes come first among what may precede, so that the digits of `%20` are not taken for the number's.
    """
    shown = max(mask.digits, 0)
    if shown >= MAX_DIGITS:
        return None
    left, right = (shown, 0) if mask.side == "first" else (0, shown)
    hidden = f"{max(MIN_DIGITS - shown, 1)},{MAX_DIGITS - shown}"
    return re.compile(
        "(?:^|[?&])expires=[0-9]+"
        "|(%[0-9A-Fa-f][0-9A-Fa-f]|^|[^A-Za-z0-9_-])"
        f"([0-9]{{{left}}})([0-9]{{{hidden}}})([0-9]{{{right}}})(?![A-Za-z0-9_-])".encode()
    )


def _mask_digits(found: re.Match[bytes]) -> bytes:
    before, left, hidden, right = found.groups()
    return found[0] if hidden is None else before + left + b"X" * len(hidden) + right
