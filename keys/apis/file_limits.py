"""Limits of the files that describe an API, and the error for what exceeds them or is malformed."""

from __future__ import annotations

import math

MAX_BYTES = 16_000_000
MAX_VALUES = 1_000_000
MAX_DEPTH = 100
MAX_DIGITS = 100
# Of faults that do not stop the parser, such as repeated names.
MAX_FAULTS_LISTED = 20
TOO_LARGE = "A number is too large to be stored. Write a smaller one."
TOO_MANY_DIGITS = f"A number has more than {MAX_DIGITS} digits. Write a smaller one, or a string."


class UnreadableFile(ValueError):
    """The file is malformed or too large; the text says where, and what would be valid."""


def parse_finite_float(text: str) -> float:
    """Return the number. Raise UnreadableFile if it is too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        raise UnreadableFile(TOO_LARGE)
    return number


def format_repeated_name(name: str, line: int, column: int) -> str:
    """Return the message about a name that a mapping has twice. `line` and `column` start at 1."""
    return f"Line {line}, column {column}: the name {name[:100]!r} appears twice in one mapping. Remove one."


def format_too_deep() -> str:
    return f"More than {MAX_DEPTH} mappings and lists are nested in each other. Reduce the nesting."


def format_too_many() -> str:
    return f"The file has more than {MAX_VALUES:,} values. Split it."
