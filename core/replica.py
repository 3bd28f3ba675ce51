"""Read the logs from the replica, and in long read-only snapshots on a connection of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from psycopg import Cursor

# How long this process reads the primary after the replica did not answer, before it tries the replica again.
REPLICA_RETRY_SECONDS = 10.0
logger = structlog.get_logger("keyward.replica")
_unavailable_until = 0.0


def get_log_database() -> str:
    """Return the database from which pages and exports read the logs: the replica if there is one and it answers, else
    the primary. Decisions never read a replica."""
    global _unavailable_until
    if "replica" not in settings.DATABASES or is_replica_unavailable():
        return "default"
    try:
        # Also checks a connection that this request has not used yet.
        connections["replica"].cursor().close()
    except (OperationalError, InterfaceError) as error:
        connections["replica"].close()
        _unavailable_until = time.monotonic() + REPLICA_RETRY_SECONDS
        logger.warning("the replica does not answer, reading the primary", detail=" ".join(str(error).split())[:200])
        return "default"
    return "replica"


def is_replica_unavailable() -> bool:
    """Return whether there is a replica that recently did not answer this process."""
    return time.monotonic() < _unavailable_until


def pin_settings(cursor: Cursor) -> None:
    """Set, for the transaction, the search path and the text formats of numbers and times, whatever the role and the
    database have configured. Reading fails if a row-security policy would hide rows."""
    cursor.execute("SET LOCAL search_path = pg_catalog, public")
    cursor.execute("SET LOCAL extra_float_digits = 1")
    cursor.execute("SET LOCAL TimeZone = 'UTC'")
    cursor.execute("SET LOCAL DateStyle = 'ISO, YMD'")
    cursor.execute("SET LOCAL row_security = off")


def lift_time_limits(cursor: Any) -> None:
    """Switch off the statement and idle timeouts for the transaction."""
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def get_replayed_until() -> datetime | None:
    """Return the commit time up to which the replica in use has replayed; None if the primary is read."""
    if (using := get_log_database()) == "default":
        return None
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_last_xact_replay_timestamp()")
        at: datetime | None = cursor.fetchone()[0]
        return at


@contextmanager
def open_snapshot(*, seconds: int, using: str = "default") -> Iterator[Cursor]:
    """Yield a cursor in a read-only REPEATABLE READ transaction whose statements run for at most `seconds` each; 0 is
    no limit.

    The thread's own connection stays free, to record the event that ends an export.
    """
    replica = connections[using].copy()
    try:
        replica.ensure_connection()
        with replica.connection.transaction(), replica.connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
            pin_settings(cursor)
            yield cursor
    finally:
        replica.close()
