"""README's table names every variable that the settings read, with the default that they have."""

from __future__ import annotations

from config.variables import MEANINGS
from tests import variables


def test_every_variable_has_a_meaning() -> None:
    read, _ = variables.list_variables(variables.read_settings())
    assert set(MEANINGS) == read, "say in config/variables.py what it means"


def test_the_table_is_up_to_date() -> None:
    page = variables.README.read_text()
    assert all(mark in page for mark in variables.MARKS)
    assert variables.replace_table(page, variables.build_table()) == page, "run `python -m tests.variables`"


def test_a_default_that_changes_makes_the_table_stale() -> None:
    settings = variables.read_settings()
    assert variables.format_default("PORT", settings) == "`8000`"
    assert variables.format_default("PORT", settings | {"PORT": 9000}) == "`9000`"
    assert variables.format_default("PGBOUNCER", settings) == "`false`"
    assert variables.format_default("METRICS_PORT", settings) == "none"
