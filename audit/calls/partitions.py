"""The monthly partitions of the API log: create them ahead of time, list them, find the months that have none."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

# Arbitrary; one node at a time creates or drops partitions.
PARTITION_LOCK = 0x6B77_6C6F


def build_coming_partitions(first: int, last: int) -> str:
    """Return SQL for a table of the partitions that the coming months should have, with the columns `name` and
    `is_there`; month 0 is this one."""
    return f"""(
        SELECT name, to_regclass(name) IS NOT NULL AS is_there FROM (
            SELECT 'audit_call_' || to_char((now() AT TIME ZONE 'UTC') + make_interval(months => m), 'YYYY_MM') AS name
            FROM generate_series({first}, {last}) AS m
        ) AS names
    ) AS coming"""


def ensure_partitions(months_ahead: int = 3) -> list[str]:
    """Create the partitions of the current and the next months, and of every month that has rows in the DEFAULT
    partition; return the months created, as `2026-11`. Safe at any time from any node. Raise OperationalError after
    waiting 3 seconds for a lock.

    Calls of a month without a partition are stored in DEFAULT meanwhile.
    """
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        existing = list_partitions()
        # Without zones: Django reads a time with a zone as if the session's were UTC.
        cursor.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        months = _list_month_starts(cursor.fetchone()[0].replace(tzinfo=UTC), months_ahead + 1)
        cursor.execute("SELECT DISTINCT date_trunc('month', time AT TIME ZONE 'UTC') FROM audit_call_default")
        misplaced = {month.replace(tzinfo=UTC) for (month,) in cursor.fetchall()}
        missing = sorted({month for month in months if _format_partition(month) not in existing} | misplaced)
        if misplaced:
            # Rows cannot be deleted, and a month's partition cannot be attached while DEFAULT has rows of it: replace
            # DEFAULT.
            cursor.execute("ALTER TABLE audit_call DETACH PARTITION audit_call_default")
            cursor.execute("ALTER TABLE audit_call_default RENAME TO audit_call_moving")
        for month in missing:
            start, end = _list_month_starts(month, 2)
            _create_partition(
                cursor, _format_partition(month), f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        if misplaced:
            _create_partition(cursor, "audit_call_default", "DEFAULT")
            cursor.execute("INSERT INTO audit_call SELECT * FROM audit_call_moving")
            cursor.execute("DROP TABLE audit_call_moving")
    return [f"{month:%Y-%m}" for month in missing]


def list_partitions() -> set[str]:
    """Return the names of the log's partitions."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_call') WHERE isleaf")
        return {name for (name,) in cursor.fetchall()}


def parse_partition_month(partition: str) -> datetime | None:
    """Return the start of the partition's month in UTC; None for DEFAULT."""
    try:
        return datetime.strptime(partition, "audit_call_%Y_%m").replace(tzinfo=UTC)
    except ValueError:
        return None


def _list_month_starts(first: datetime, count: int) -> list[datetime]:
    """Return `count` starts of months in UTC, beginning with that of `first`."""
    first = first.astimezone(UTC)
    number = first.year * 12 + first.month - 1
    return [datetime((number + n) // 12, (number + n) % 12 + 1, 1, tzinfo=UTC) for n in range(count)]


def _format_partition(month: datetime) -> str:
    return f"audit_call_{month:%Y_%m}"


def _create_partition(cursor: CursorWrapper, name: str, bounds: str) -> None:
    """Create the partition and attach it, which takes a weaker lock on the log than CREATE TABLE … PARTITION OF: calls
    go on being inserted. Row triggers are inherited from the parent; the TRUNCATE trigger must be created here."""
    cursor.execute(f"CREATE TABLE {name} (LIKE audit_call INCLUDING ALL)")
    cursor.execute(f"ALTER TABLE audit_call ATTACH PARTITION {name} {bounds}")
    cursor.execute(
        f"CREATE TRIGGER {name}_refuse_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )
    cursor.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_truncate")
