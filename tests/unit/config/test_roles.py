"""What the application's database role may do, as the database answers."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, connections, transaction

from audit.calls.insert import BATCH_COLUMNS
from config import database_roles

pytestmark = pytest.mark.django_db(databases=["default", "maintenance"])
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def rights(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT r FROM unnest(%s::text[]) r WHERE has_table_privilege(%s, r)", [list(RIGHTS), table])
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("keys_key", set(RIGHTS)),
        ("accounts_user", set(RIGHTS)),
        ("django_session", set(RIGHTS)),
        ("django_cache", set(RIGHTS)),
        ("audit_event", {"SELECT", "INSERT"}),
        ("audit_head", {"SELECT", "UPDATE"}),
        ("audit_call", {"SELECT"}),
        ("audit_verification", {"SELECT"}),
        ("audit_call_default", set()),
        ("key_epoch", {"SELECT"}),
        ("key_change", {"SELECT"}),
        ("django_migrations", {"SELECT"}),
    ],
)
def test_the_application_has_these_rights(table: str, expected: set[str]) -> None:
    assert rights(table) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET body = ''",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE audit_call SET path = ''",
        "DELETE FROM audit_call",
        "TRUNCATE audit_call",
        "INSERT INTO audit_call (time, request_id) VALUES ('2020-01-01Z', gen_random_uuid())",
        "INSERT INTO audit_verification VALUES (true, '{}', 1, '')",
        "UPDATE audit_verification SET body = '{}'",
        "DELETE FROM audit_verification",
        "INSERT INTO audit_head SELECT 2, 0, mac FROM audit_head",
        "UPDATE key_epoch SET n = 0",
        "DELETE FROM key_change",
        "ALTER TABLE keys_key DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "CREATE TABLE planted ()",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_is_refused(statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match=r"denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def columns_with(right: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_call'::regclass AND attnum > 0"
            " AND has_column_privilege('audit_call', attname, %s)",
            [right],
        )
        return {row[0] for row in cursor.fetchall()}


def test_the_late_columns_alone_may_be_updated() -> None:
    assert columns_with("UPDATE") == {"bytes", "duration_ms", "status"}


def test_a_calls_time_is_the_databases_clock() -> None:
    assert columns_with("SELECT") - columns_with("INSERT") == {"time", "bytes", "duration_ms", "status"}
    assert columns_with("INSERT") == set(BATCH_COLUMNS)


def test_a_right_that_is_not_listed_is_taken_back() -> None:
    role = database_roles.get_application_role()
    query = "SELECT has_table_privilege(%s, 'audit_event', 'UPDATE')"
    # All inside the owner's transaction, which is rolled back.
    with connections["maintenance"].cursor() as owner:
        owner.execute(f"GRANT UPDATE ON audit_event TO {role}")
        owner.execute(query, [role])
        assert owner.fetchone() == (True,)
        assert database_roles.grant_rights() == role
        owner.execute(query, [role])
        assert owner.fetchone() == (False,)
