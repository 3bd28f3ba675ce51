"""One consistent view of the logs, on a connection of its own, for what reads for minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from psycopg import Cursor


@contextmanager
def snapshot(*, seconds: int) -> Iterator[Cursor]:
    """A cursor whose statements see the database as it was at the first, read-only, for at most `seconds` each.

    The thread's own connection stays free, to write the event that ends an export. 0 is without limit.
    """
    own = connections["default"].copy()
    try:
        own.ensure_connection()
        with own.connection.transaction(), own.connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
            yield cursor
    finally:
        own.close()
