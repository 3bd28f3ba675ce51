"""What the application's database role may do: everything to Django's tables, next to nothing to what is logged.

Run by `migrate` as the owner; it first takes all rights back, so that a right no longer listed here is gone.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from audit.calls.insert import BATCH_COLUMNS

# Tables made by migration SQL, and the rights on each; triggers narrow UPDATE further. Everything else in the schema
# that Django does not manage (partitions, tables yet to come) is out of the application's reach.
LOG_TABLE_RIGHTS = {
    "audit_event": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE",
    # Not `time`: it is the database's clock, nobody else's choice.
    "audit_call": f"SELECT, INSERT ({', '.join(BATCH_COLUMNS)}), UPDATE (status, duration_ms, bytes)",
    "audit_digest": "SELECT, INSERT",
    "audit_rollup": "SELECT, INSERT",
    "audit_verification": "SELECT",
    # Written by the triggers, which run as the owner.
    "key_epoch": "SELECT",
    "key_change": "SELECT",
    # Written and swept by gateways.
    "gateway_nonce": "SELECT, INSERT, DELETE",
}
ALL_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def grant_rights() -> str | None:
    """Give the application's role its rights; returns its name, or None when it is the owner itself."""
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
    """Return the rights that the application's own role should have and lacks, as `INSERT on audit_call`."""
    with connections["default"].cursor() as cursor:
        rights, _ = _get_rights(cursor)
        # A right on columns counts as one on the table: which columns is compared by `audit_verify`.
        wanted = [(table, right) for table, listed in rights.items() for right in re.findall("[A-Z]+", listed)]
        statement = """
            SELECT wanted."right" || ' on ' || wanted.name
            FROM unnest(%s::text[], %s::text[]) AS wanted (name, "right")
            WHERE NOT has_table_privilege(format('public.%%I', wanted.name), wanted."right")
                AND (wanted."right" = 'DELETE'
                    OR NOT has_any_column_privilege(format('public.%%I', wanted.name), wanted."right"))
            ORDER BY 1
        """
        return [row[0] for row in _fetch_rows(cursor, statement, [list(names) for names in zip(*wanted, strict=True)])]


def _get_rights(cursor: CursorWrapper) -> tuple[dict[str, str], set[str]]:
    """Return the rights of the application's role on each table that is there, and the names that Django manages."""
    statement = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    existing = {row[0] for row in _fetch_rows(cursor, statement)}
    managed = set(connections["maintenance"].introspection.django_table_names()) & existing | {"django_migrations"}
    managed |= {cache["LOCATION"] for cache in settings.CACHES.values() if cache["BACKEND"].endswith("DatabaseCache")}
    rights = dict.fromkeys(managed, ALL_RIGHTS) | LOG_TABLE_RIGHTS | {"django_migrations": "SELECT"}
    return {table: right for table, right in rights.items() if table in existing}, managed


def get_application_role() -> str:
    """The role of the `default` connection, as the database sees it."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_user")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _list_sequences(cursor: CursorWrapper, tables: set[str]) -> list[str]:
    """Sequences that belong to a column of one of `tables`."""
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
