"""What a test committed goes after it. Django would TRUNCATE: new files for every table and index, however few the
rows, and content types and permissions made anew, which is most of the time of a small test."""

from __future__ import annotations

import psycopg
from django.db import connections
from psycopg import sql

from tests.gateways import conninfo

# The same in every installation, and never written by a test.
CONSTANT = frozenset({"django_content_type", "auth_permission"})
MANY = 20_000  # from here on new files cost less than deleted rows


def empty_tables() -> None:
    """Every table that Django's own flush empties; the audit trail and the API log take no such thing."""
    names = sorted(set(connections["maintenance"].introspection.django_table_names()) - CONSTANT)
    with psycopg.connect(conninfo("maintenance")) as owner:
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM (SELECT FROM {} LIMIT {}) AS few").format(
                sql.Literal(name), sql.Identifier(name), sql.Literal(MANY)
            )
            for name in names
        )
        filled = {name: count for name, count in owner.execute(counts) if count}
        if MANY in filled.values():
            tables = sql.SQL(", ").join(map(sql.Identifier, names))
            owner.execute(sql.SQL("TRUNCATE {}").format(tables))
            return
        owner.execute("SET CONSTRAINTS ALL DEFERRED")
        for name in filled:
            owner.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
