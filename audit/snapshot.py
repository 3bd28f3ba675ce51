"""One consistent view of the logs, on a connection of its own, for what reads for minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections
from psycopg import Cursor


def reading() -> str:
    """The database that pages and exports of the logs read: a replica, where there is one. Decisions never do."""
    return "replica" if "replica" in settings.DATABASES else "default"


@contextmanager
def snapshot(*, seconds: int, using: str = "default") -> Iterator[Cursor]:
    """A cursor whose statements see the database as it was at the first, read-only, for at most `seconds` each.

    The thread's own connection stays free, to write the event that ends an export. 0 is without limit.
    """
    own = connections[using].copy()
    try:
        own.ensure_connection()
        with own.connection.transaction(), own.connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
            yield cursor
    finally:
        own.close()
