"""Delete what a test committed. Django's TRUNCATE creates new files for every table and index, and content types and
permissions anew, which takes most of the time of a small test."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
from django.core.cache import cache
from django.db import connections
from psycopg import sql

from tests.gateways import conninfo

# The same in every installation, and never written by a test.
CONSTANT = frozenset({"django_content_type", "auth_permission"})
TRIES = 3
# Written when hours of the log are sealed, which cannot be undone.
SEALED = "audit_rollup"
MANY = 20_000  # from here on new files cost less than deleted rows
# Filled by migrations, in the order of their foreign keys. Copied back only if a test changed them.
PRESETS = ("keys_api", "keys_module", "keys_route")
_copies: dict[str, bytes] = {}
_unchanged: list[tuple[int, int]] = []


def restore_presets(cursor: psycopg.Cursor[Any]) -> None:
    """Fill the tables of presets with what the migrations wrote, if a test emptied them."""
    cursor.execute("SELECT EXISTS (SELECT FROM keys_api)")
    ((filled,),) = cursor.fetchall()
    if filled and _copies:
        return
    for table in PRESETS:
        if filled:
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                _copies[table] = b"".join(bytes(block) for block in copy)
        else:
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(_copies[table])
    _unchanged[:] = _identify_presets(cursor)


def _identify_presets(cursor: psycopg.Cursor[Any]) -> list[tuple[int, int]]:
    """Return how many rows each table of presets has and the newest transaction that wrote one."""
    counts = (f"SELECT count(*), max(xmin::text::bigint) FROM {table}" for table in PRESETS)
    cursor.execute(" UNION ALL ".join(counts))
    return cursor.fetchall()


def empty_tables() -> None:
    """Empty every table that Django's own flush empties, but for unchanged presets; the audit trail and the API log are
    append-only. Counts in the cache go too."""
    for tries_left in reversed(range(TRIES)):
        cache.clear()
        try:
            _empty_tables()
        except psycopg.errors.ForeignKeyViolation:
            # A request that the test's browser had left was still being answered.
            if not tries_left:
                raise
        else:
            return


def _empty_tables() -> None:
    names = sorted(set(connections["maintenance"].introspection.django_table_names()) - CONSTANT)
    # psycopg leaves a connection open whose commit fails.
    with closing(psycopg.connect(conninfo("maintenance"))) as owner, owner:
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM (SELECT FROM {} LIMIT {}) AS few").format(
                sql.Literal(name), sql.Identifier(name), sql.Literal(MANY)
            )
            for name in (*names, SEALED)
        )
        filled = {name: count for name, count in owner.execute(counts) if count}
        assert SEALED not in filled, "A test that seals hours needs a database of its own: migrated_database()."
        if MANY in filled.values():
            tables = sql.SQL(", ").join(map(sql.Identifier, names))
            owner.execute(sql.SQL("TRUNCATE {}").format(tables))
            return
        owner.execute("SET CONSTRAINTS ALL DEFERRED")
        kept = PRESETS if _identify_presets(owner.cursor()) == _unchanged else ()
        for name in filled.keys() - set(kept):
            owner.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
