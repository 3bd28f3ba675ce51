"""One rule for cells, in Python and in SQL, that leaves phone numbers alone."""

from __future__ import annotations

import pytest
from django.db import connection

from core.csv_escaping import build_escape_sql, escape_cell

FORMULAS = [
    *("=1+1", "=HYPERLINK(1)", "@SUM(A1)", "+1+1", "-1-1", "+cmd|' /C calc'!A0", "-2+3+cmd", "\t=1", "\r=1", "\n=1"),
    *(
        "=",
        "@",
        "+",
        "-",
        "\t",
        "+44 20 7946",
        "+4420x",
        "-",
        "+",
        "+-1",
        "-+1",
        "+1.",
        "-.5",
        "+1.2.3",
        "+1\n",
        "-1\r",
    ),
]
PLAIN = ["", "Alice", "a=1", "1+1", "+442079460123", "-5", "+5.25", "-0.5", "'=1", " =1", "\u00fc", "\uff1d1+1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_a_quote(text: str) -> None:
    assert escape_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_or_number_stays(text: str) -> None:
    assert escape_cell(text) == text


def test_nul_is_neutralised_where_there_can_be_one() -> None:
    assert escape_cell("\x00=1") == "'\x00=1"


@pytest.mark.django_db
@pytest.mark.parametrize("text", FORMULAS + PLAIN)
def test_the_database_says_the_same(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {build_escape_sql('t.cell')} FROM (SELECT %s::text AS cell) t", [text])
        assert cursor.fetchone() == (escape_cell(text),)
