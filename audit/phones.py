"""Phone numbers in paths and queries, hidden from accounts that mask them.

A phone number is a run of 7 to 15 digits with no letter, digit, `_` or `-` beside it; `+` or `%2B`, and any other
percent-escape, may stand before it. The value of `expires` is a time, not a phone number. The same rule is here as a
function, for pages, and as SQL, for exports; tests hold them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

SHORTEST, LONGEST = 7, 15


class Masking(Protocol):
    """What an account says about masking."""

    mask_phone: bool
    mask_digits: int
    mask_side: str


@dataclass(frozen=True, slots=True)
class Mask:
    """How many digits of each number stay visible, and on which side."""

    digits: int
    side: str  # "first" or "last", counted from the start or from the end

    @classmethod
    def of(cls, account: Masking) -> Mask | None:
        """The account's mask, None while it does not mask."""
        return cls(account.mask_digits, account.mask_side) if account.mask_phone else None

    def hide(self, text: str) -> str:
        """`text` with an X for each digit that is hidden: 447911123456 becomes XXXXXXXX3456."""
        pattern = _pattern(self)
        return pattern.sub(self._hidden, text) if pattern else text

    def _hidden(self, found: re.Match[str]) -> str:
        expires, before, left, hidden, right = (group or "" for group in found.groups())
        return expires + before + left + "X" * len(hidden) + right

    def sql(self, column: str) -> str:
        """An SQL expression that does as `hide` does. `column` is an identifier of ours, never input.

        The first pass ends each hidden run with a control character, which no value holds; the second turns every
        digit that only digits part from such an end into X; the third takes the marks away.
        """
        pattern = _pattern(self)
        if pattern is None:
            return column
        marked = rf"regexp_replace({column}, '{pattern.pattern}', E'\\1\\2\\3\x01\\4\x02\\5', 'g')"
        hidden = f"regexp_replace({marked}, '[0-9](?=[0-9]*\x02)', 'X', 'g')"
        return f"CASE WHEN {column} ~ '[0-9]{{{SHORTEST}}}' THEN translate({hidden}, '\x01\x02', '') ELSE {column} END"


@lru_cache(maxsize=64)
def _pattern(mask: Mask) -> re.Pattern[str] | None:
    """Groups: an `expires` to leave alone; what stands before; visible digits; hidden digits; visible digits.

    Escapes come first among what may stand before, so that the digits of `%20` are not taken for the number's.
    """
    shown = max(mask.digits, 0)
    if shown >= LONGEST:
        return None
    left, right = (shown, 0) if mask.side == "first" else (0, shown)
    hidden = f"{max(SHORTEST - shown, 1)},{LONGEST - shown}"
    return re.compile(
        "((?:^|[?&])expires=[0-9]+)"
        "|(%[0-9A-Fa-f][0-9A-Fa-f]|^|[^A-Za-z0-9_-])"
        f"([0-9]{{{left}}})([0-9]{{{hidden}}})([0-9]{{{right}}})(?![A-Za-z0-9_-])"
    )
