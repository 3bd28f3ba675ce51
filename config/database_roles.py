"""Privileges of the application's database role: all on Django's tables, very few on the logs.

`migrate` grants them as the owner. It revokes everything first, so that a privilege that is no longer listed here is
gone.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from audit.calls.insert import BATCH_COLUMNS

# Tables created by migration SQL, and the privileges on each; triggers narrow UPDATE further. The application has none
# on anything else in the schema that Django does not manage (partitions, future tables).
LOG_TABLE_RIGHTS = {
    "audit_event": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE",
    # Not `time`, which the database's clock sets.
    "audit_call": f"SELECT, INSERT ({', '.join(BATCH_COLUMNS)}), UPDATE (status, duration_ms, bytes)",
    "audit_digest": "SELECT, INSERT",
    "audit_rollup": "SELECT, INSERT",
    "audit_rollup_total": "SELECT, INSERT",
    "audit_verification": "SELECT",
    # Written by maintain, as the owner.
    "audit_usage": "SELECT",
    "audit_usage_day": "SELECT",
    "audit_usage_path": "SELECT",
    "audit_usage_state": "SELECT",
    # Written by the triggers, which run as the owner.
    "key_epoch": "SELECT",
    "key_change": "SELECT",
    # Written and cleaned up by gateways.
    "gateway_nonce": "SELECT, INSERT, DELETE",
}
ALL_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def grant_rights() -> str | None:
    """Grant the privileges to the application's role; return its name, or None when it is the owner itself."""
    role = get_application_role()
    owner = connections["maintenance"]
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_user")
        if cursor.fetchone() == (role,):
            return None
        rights, managed = _get_rights(cursor)
        role_name = sql.Identifier(role)
        statements = [
            sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role_name),
            sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {}").format(role_name),
            sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role_name),
        ]
        statements += [
            sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(right), sql.Identifier("public", table), role_name)
            for table, right in sorted(rights.items())
        ]
        statements += [
            sql.SQL("GRANT USAGE, SELECT ON SEQUENCE {} TO {}").format(sql.Identifier("public", sequence), role_name)
            for sequence in _list_sequences(cursor, managed)
        ]
        cursor.execute(sql.SQL("; ").join(statements).as_string(cursor.connection))
    return role


def list_missing_rights() -> list[str]:
    """Return the privileges that the application's role should have and lacks, such as `INSERT on audit_call`."""
    with connections["default"].cursor() as cursor:
        rights, _ = _get_rights(cursor)
        # A privilege on columns counts as one on the table; `audit_verify` compares the columns.
        expected = [(table, right) for table, listed in rights.items() for right in re.findall("[A-Z]+", listed)]
        statement = """
            SELECT wanted."right" || ' on ' || wanted.name
            FROM unnest(%s::text[], %s::text[]) AS wanted (name, "right")
            WHERE NOT has_table_privilege(format('public.%%I', wanted.name), wanted."right")
                AND (wanted."right" = 'DELETE'
                    OR NOT has_any_column_privilege(format('public.%%I', wanted.name), wanted."right"))
            ORDER BY 1
        """
        return [
            row[0] for row in _fetch_rows(cursor, statement, [list(names) for names in zip(*expected, strict=True)])
        ]


def _get_rights(cursor: CursorWrapper) -> tuple[dict[str, str], set[str]]:
    """Return the privileges of the application's role on each existing table, and the names of the tables that Django
    manages."""
    statement = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    existing = {row[0] for row in _fetch_rows(cursor, statement)}
    managed = set(connections["maintenance"].introspection.django_table_names()) & existing | {"django_migrations"}
    managed |= {cache["LOCATION"] for cache in settings.CACHES.values() if cache["BACKEND"].endswith("DatabaseCache")}
    rights = dict.fromkeys(managed, ALL_RIGHTS) | LOG_TABLE_RIGHTS | {"django_migrations": "SELECT"}
    return {table: right for table, right in rights.items() if table in existing}, managed


def get_application_role() -> str:
    """Return the role of the `default` connection, as the database sees it."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_user")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _list_sequences(cursor: CursorWrapper, tables: set[str]) -> list[str]:
    """Return the sequences that belong to a column of these tables."""
    statement = """
        SELECT sequence.relname
        FROM pg_depend
        JOIN pg_class sequence ON sequence.oid = pg_depend.objid AND sequence.relkind = 'S'
        JOIN pg_class owning ON owning.oid = pg_depend.refobjid
        WHERE owning.relnamespace = 'public'::regnamespace AND owning.relname = ANY(%s)
        ORDER BY 1
    """
    return [row[0] for row in _fetch_rows(cursor, statement, [sorted(tables)])]


def _fetch_rows(cursor: CursorWrapper, statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    cursor.execute(statement, parameters)
    return list(cursor.fetchall())
