"""Inserts very many rows as restoring a dump does: triggers are off, indexes and references are created afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INDEXES = """
    SELECT format('DROP INDEX %%s', i.indexrelid::regclass), replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
    FROM pg_index i
    WHERE i.indrelid = ANY(%s::regclass[]) AND NOT i.indisunique
"""
REFERENCES = """
    SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
        format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]) AND contype = 'f'
"""
TRIGGERS = """
    SELECT format('ALTER TABLE %%s DISABLE TRIGGER %%I', tgrelid::regclass, tgname),
        format('ALTER TABLE %%s ENABLE %%s TRIGGER %%I', tgrelid::regclass,
            CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname)
    FROM pg_trigger WHERE tgrelid = ANY(%s::regclass[]) AND NOT tgisinternal AND tgparentid = 0 AND tgenabled <> 'D'
"""


@contextmanager
def restoring(*tables: str) -> Iterator[Any]:
    """Yield a cursor of the owner with which to fill these tables. What triggers would write, the caller writes."""
    from django.db import connections, transaction

    owner = connections["maintenance"]
    with owner.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        with transaction.atomic(using="maintenance"):
            undone = []
            for there in (TRIGGERS, REFERENCES, INDEXES):
                cursor.execute(there, [list(tables)])
                undone += cursor.fetchall()
            for undo, _ in undone:
                cursor.execute(undo)
            yield cursor
            for _, redo in reversed(undone):
                cursor.execute(redo)
        # The statistics that autovacuum collects in a running installation.
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET maintenance_work_mem")
    owner.close()
