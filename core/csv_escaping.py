"""Cells that no spreadsheet takes for a formula: one rule, for files made by the database and for those made here.

A quote goes before a text that begins with = @ TAB CR LF NUL, and before + - unless the whole cell is a number, which
a phone number is.
"""

from __future__ import annotations

import re

ALWAYS = "=@\t\r\n\x00"
UNLESS_NUMBER = "+-"
NUMBER = "^[+-][0-9]+([.][0-9]+)?$"


def neutral(text: str) -> str:
    if text[:1] in tuple(ALWAYS) or (text[:1] in tuple(UNLESS_NUMBER) and not re.fullmatch(NUMBER[1:-1], text)):
        return f"'{text}"
    return text


def neutral_sql(cell: str) -> str:
    """The same of a column or expression of type text."""
    always = ", ".join(str(ord(sign)) for sign in ALWAYS if sign != "\x00")  # PostgreSQL holds no NUL
    signs = ", ".join(str(ord(sign)) for sign in UNLESS_NUMBER)
    formula = f"ascii({cell}) IN ({always}) OR ascii({cell}) IN ({signs}) AND {cell} !~ '{NUMBER}'"
    # Letters are let through at once, then paths and numbers.
    suspect = f"ascii({cell}) < 65 AND ascii({cell}) NOT BETWEEN 47 AND 57"
    return f"CASE WHEN {suspect} AND ({formula}) THEN '''' || {cell} ELSE {cell} END"
