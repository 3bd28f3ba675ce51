"""Pages, filters and exports read no column that a verification does not cover."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection

from audit.calls import row_text
from audit.calls.insert import BATCH_COLUMNS
from audit.exports.columns import CALLS, EVENTS, ExportTable
from audit.models import Call, Event
from audit.trail.coverage import COVERAGE, GENERATED

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("model", "table"), [(Event, "audit_event"), (Call, "audit_call")])
def test_the_models_have_no_other_column(model: type[Event | Call], table: str) -> None:
    assert {field.attname for field in model._meta.concrete_fields} == COVERAGE[table]


@pytest.mark.django_db
@pytest.mark.parametrize("table", COVERAGE)
def test_the_tables_have_no_other_column(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        assert {name for (name,) in cursor.fetchall()} == COVERAGE[table]


@pytest.mark.django_db
def test_every_generated_column_is_compared_with_the_body() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit_event' "
            "AND is_generated = 'ALWAYS'"
        )
        assert {name for (name,) in cursor.fetchall()} == GENERATED.keys()


@pytest.mark.parametrize(("exported", "table"), [(EVENTS, "audit_event"), (CALLS, "audit_call")])
def test_exports_read_no_other_column(exported: ExportTable, table: str) -> None:
    text = " ".join(f"{column.cell or f'c.{name}'} {column.value}" for name, column in exported.columns.items())
    read = set(re.findall(r"\bc\.([a-z_]+)", text))
    assert len(read) > 10
    assert read <= COVERAGE[table]


def test_a_seal_covers_what_the_gateway_writes_and_what_arrives_later() -> None:
    assert row_text.COVERED[row_text.WITHOUT_LATE] == {"time", *BATCH_COLUMNS}
    assert row_text.COVERED[row_text.WHOLE] == COVERAGE["audit_call"]


def test_no_other_table_is_read_by_the_logs_pages() -> None:
    """Raw SQL of the room names the tables that are covered, and those that hold no evidence."""
    known = {*COVERAGE, "audit_head", "audit_verification", "audit_unmatched", "audit_hide", "audit_call_default"}
    found: set[str] = set()
    for file in (ROOT / "audit").glob("*.py"):
        found |= set(re.findall(r"\b(?:FROM|JOIN|UPDATE|INTO) (?:ONLY )?(audit_[a-z]+)\b", file.read_text()))
    assert found <= known | {"audit_call_moving"}
