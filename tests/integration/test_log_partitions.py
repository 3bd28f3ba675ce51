"""Connections as the owner, because only the owner can make tables, and even the owner must not change a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.db.utils import Error
from psycopg.pq import ExecStatus

from audit.calls.insert import BATCH_COLUMNS, SEPARATOR, build_batch, build_insert
from audit.calls.partitions import ensure_partitions
from audit.models import Call
from core.request_id import generate_request_id
from gateway.libpq.connection import Statement
from tests.factories.calls import USUAL, a_call

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


def owner(statement: str, *params: Any) -> list[tuple]:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


def partition_of(request_id) -> str:
    return owner("SELECT tableoid::regclass::text FROM audit_call WHERE request_id = %s", request_id)[0][0]


def partitions() -> set[str]:
    return {name for (name,) in owner("SELECT relid::regclass::text FROM pg_partition_tree('audit_call') WHERE isleaf")}


def test_this_month_and_the_next_three_have_partitions_beside_the_default_one():
    ensure_partitions()
    first = owner("SELECT date_trunc('month', clock_timestamp(), 'UTC')")[0][0].astimezone(UTC)
    months = [(first.year * 12 + first.month - 1 + n) for n in range(4)]
    expected = {f"audit_call_{m // 12}_{m % 12 + 1:02}" for m in months}

    assert expected | {"audit_call_default"} <= partitions()
    assert partition_of(a_call(None)) == f"audit_call_{first:%Y_%m}"
    assert ensure_partitions() == []


def test_a_month_without_its_partition_is_served_by_default_and_moved_later():
    first_of_month = datetime(2031, 2, 1, tzinfo=UTC)
    before, after = (
        a_call(None, time=datetime(2031, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        a_call(None, time=first_of_month),
    )
    assert {partition_of(before), partition_of(after)} == {"audit_call_default"}
    rows = Call.objects.count()

    assert ensure_partitions() == ["2031-01", "2031-02"]

    assert partition_of(before) == "audit_call_2031_01"
    assert partition_of(after) == "audit_call_2031_02"
    assert Call.objects.count() == rows
    assert owner("SELECT count(*) FROM audit_call_default") == [(0,)]
    assert "audit_call_moving" not in partitions()
    assert partition_of(a_call(None, time=datetime(2033, 1, 1, tzinfo=UTC))) == "audit_call_default"
    assert ensure_partitions() == ["2033-01"]


def test_partitions_begin_at_midnight_utc_whatever_the_sessions_time_zone():
    owner("SET TIME ZONE 'Pacific/Auckland'")
    try:
        a_call(None, time=datetime(2034, 3, 31, 12, tzinfo=UTC))
        assert ensure_partitions() == ["2034-03"]
    finally:
        owner("SET TIME ZONE 'UTC'")
    assert partition_of(a_call(None, time=datetime(2034, 3, 1, tzinfo=UTC))) == "audit_call_2034_03"
    assert partition_of(a_call(None, time=datetime(2034, 3, 31, 23, 59, 59, tzinfo=UTC))) == "audit_call_2034_03"


def refused(run: Callable[[str], object], statement: str) -> bool:
    try:
        run(statement)
    except Error as error:
        return isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege)
    return False


def test_the_application_can_neither_change_nor_remove_what_is_logged():
    statements = [
        "UPDATE audit_call SET path = '/'",
        "UPDATE audit_call SET folded = 2",
        "DELETE FROM audit_call",
        "TRUNCATE audit_call",
        "TRUNCATE audit_call_default",
        "DELETE FROM audit_call_default",
        "UPDATE audit_event SET body = '{}'",
        "UPDATE audit_event SET mac = prev",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_call",
    ]
    a_call(None)

    with connection.cursor() as cursor:
        assert [statement for statement in statements if not refused(cursor.execute, statement)] == []


def test_the_owner_too_is_refused_by_a_trigger():
    a_call(None, time=datetime(2036, 1, 1, tzinfo=UTC))
    ensure_partitions()
    partition = partition_of(a_call(None))
    statements = [
        "UPDATE audit_call SET path = '/'",
        "UPDATE audit_call SET status = 200, time = clock_timestamp()",
        "DELETE FROM audit_call",
        "TRUNCATE audit_call",
        f"UPDATE {partition} SET path = '/'",
        f"DELETE FROM {partition}",
        f"TRUNCATE {partition}",
        "TRUNCATE audit_call_default",
        "UPDATE audit_event SET body = '{}'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
    ]

    assert [statement for statement in statements if not refused(owner, statement)] == []


def test_every_partition_has_all_its_triggers_and_they_always_fire():
    triggers = owner(
        "SELECT tgrelid::regclass::text, count(*), bool_and(tgenabled = 'A') FROM pg_trigger "
        "WHERE tgrelid IN (SELECT relid FROM pg_partition_tree('audit_call')) GROUP BY 1"
    )

    assert {name for name, _, _ in triggers} == partitions() | {"audit_call"}
    assert [row for row in triggers if row[1:] != (3, True)] == []


def test_the_late_columns_arrive_once():
    request_id = a_call(None)

    def late(status: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_call SET status = %s, duration_ms = 1.5, bytes = 10 WHERE request_id = %s",
                [status, request_id],
            )

    late(200)
    late(200)
    with pytest.raises(Error, match="stays as it was written"):
        late(500)
    assert Call.objects.get(request_id=request_id).status == 200


def write(rows: list[dict], *, guard: int) -> int:
    """How many rows were written as one batch whose guard holds if it is 1."""

    def text(value: object) -> str:
        return "" if value is None else str(value)

    def joined(name: str) -> str:
        values = [text(row[name]) for row in rows]
        return values[0] if name != "request_id" and len(set(values)) == 1 else SEPARATOR.join(values)

    parameters = [*(joined(name) for name in BATCH_COLUMNS), str(guard)]
    query = Statement("write", build_insert(build_batch("%s::integer = 1"))).query
    result = connection.connection.pgconn.exec_params(query, [value.encode() for value in parameters])
    assert result.status == ExecStatus.COMMAND_OK, result.error_message
    return int(result.command_tuples or 0)


def test_a_batch_is_written_whole_where_its_guard_holds_and_not_at_all_elsewhere():
    rows = [
        USUAL | {"request_id": generate_request_id(), "account_id": 5, "account": "acme"},
        USUAL | {"request_id": generate_request_id(), "account_id": None, "account": "", "path": "/é\\N{}\"'"},
    ]
    rows[1]["client_address"] = None
    for written in (rows, rows[1:], [rows[1], rows[1]]):
        assert write(written, guard=2) == 0
        assert write(written, guard=1) == len(written)

    found = Call.objects.filter(request_id=rows[1]["request_id"])
    assert [(c.account_id, c.account, c.client_address, c.path, c.mask) for c in found] == [
        (None, "", None, "/é\\N{}\"'", False)
    ] * 4
    (first,) = Call.objects.filter(request_id=rows[0]["request_id"])
    assert (first.account_id, first.account, first.path) == (5, "acme", USUAL["path"])
