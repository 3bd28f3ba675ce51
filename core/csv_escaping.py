"""Escape CSV cells against formula injection, in Python and by the same rule in SQL.

A quote is put before a text that begins with = @ TAB CR LF NUL, or with + - unless the whole cell is a number, as a
phone number is.
"""

from __future__ import annotations

import re

FORMULA_STARTS = "=@\t\r\n\x00"
SIGNS = "+-"
NUMBER_PATTERN = "^[+-][0-9]+([.][0-9]+)?$"


def escape_cell(text: str) -> str:
    """Return the cell, with a quote in front if a spreadsheet would run it as a formula."""
    if text[:1] in tuple(FORMULA_STARTS) or (text[:1] in tuple(SIGNS) and not re.fullmatch(NUMBER_PATTERN[1:-1], text)):
        return f"'{text}"
    return text


def build_escape_sql(cell: str) -> str:
    """Return the SQL expression that escapes `cell`, a text column or expression, as `escape_cell` does."""
    always = ", ".join(str(ord(sign)) for sign in FORMULA_STARTS if sign != "\x00")  # PostgreSQL holds no NUL
    signs = ", ".join(str(ord(sign)) for sign in SIGNS)
    formula = f"ascii({cell}) IN ({always}) OR ascii({cell}) IN ({signs}) AND {cell} !~ '{NUMBER_PATTERN}'"
    # Cells that begin with a letter, a slash or a digit need no further test.
    suspect = f"ascii({cell}) < 65 AND ascii({cell}) NOT BETWEEN 47 AND 57"
    return f"CASE WHEN {suspect} AND ({formula}) THEN '''' || {cell} ELSE {cell} END"
