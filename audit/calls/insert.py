"""Insert into the API log: the gateway's batch statement, and the monthly partitions.

Pages and exports read through audit.calls.selectors.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connections, transaction

# The columns in the order of a batch's parameters, with their types.
BATCH_COLUMNS: dict[str, str] = {
    "request_id": "uuid",
    "account_id": "bigint",
    "account": "text",
    "api": "text",
    "key_id": "text",
    "key_name": "text",
    "owner": "text",
    "credential": "text",
    "method": "text",
    "host": "text",
    "path": "text",
    "query": "text",
    "module": "text",
    "client_address": "inet",
    "decision": "text",
    "reason": "text",
    "rule": "text",
    "mask": "boolean",
    "hlr": "boolean",
    "proxy": "text",
    "user_agent": "text",
    "folded": "integer",
}
SEPARATOR = "\x1e"

PARTITION_LOCK = 0x6B77_6C6F  # arbitrary; one node at a time makes partitions


def build_batch(guard: str, *more: str) -> str:
    """Return SQL for a table named `batch` of many calls, which is empty unless `guard` holds. Its parameters, which
    must be the statement's first, are one text for each of BATCH_COLUMNS and of `more` text columns, then those of
    `guard`. A column's text is its values joined by SEPARATOR, or the one value that all rows share; the first column
    is always joined, because it counts the rows. An empty value is NULL, in text columns empty text. Values hold no
    control characters."""
    kinds = BATCH_COLUMNS | dict.fromkeys(more, "text")
    # In the select list, unnest works in step without a table in between, as it would need in FROM. A shorter one
    # continues as NULL, so that a value that all rows share is sent and split once.
    unnested = ", ".join(f"unnest(string_to_array(%s, E'\\x1e')) AS {name}" for name in kinds)
    columns = ", ".join(
        _build_column(f"coalesce({name}, ${number})", name, kind)
        for number, (name, kind) in enumerate(kinds.items(), 1)
    )
    return f"(SELECT {columns} FROM (SELECT {unnested} WHERE {guard}) AS unnested) AS batch"


def build_single_row(guard: str) -> str:
    """Return the same table for a single call, whose parameters are the values themselves."""
    columns = ", ".join(_build_column("%s::text", name, kind) for name, kind in BATCH_COLUMNS.items())
    return f"(SELECT {columns} WHERE {guard}) AS batch"


def _build_column(value: str, name: str, kind: str) -> str:
    return f"{value} AS {name}" if kind == "text" else f"nullif({value}, '')::{kind} AS {name}"


def build_insert(rows: str, **overrides: str) -> str:
    """Return the INSERT of `rows`, a table with the columns of a batch. `overrides` are SQL expressions by column, to
    be inserted instead of it."""
    values = {name: overrides.get(name, name) for name in BATCH_COLUMNS}
    return f"INSERT INTO audit_call ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows}"


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
        cursor.execute("SELECT clock_timestamp()")
        wanted = _list_month_starts(cursor.fetchone()[0], months_ahead + 1)
        cursor.execute("SELECT DISTINCT date_trunc('month', time, 'UTC') FROM audit_call_default")
        misplaced = {month.astimezone(UTC) for (month,) in cursor.fetchall()}
        missing = sorted({month for month in wanted if _format_partition(month) not in existing} | misplaced)
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


def _create_partition(cursor, name: str, bounds: str) -> None:  # type: ignore[no-untyped-def]
    """Create the partition and attach it, which takes a weaker lock on the log than CREATE TABLE … PARTITION OF: calls
    go on being inserted. Row triggers are inherited from the parent; the TRUNCATE trigger must be created here."""
    cursor.execute(f"CREATE TABLE {name} (LIKE audit_call INCLUDING ALL)")
    cursor.execute(f"ALTER TABLE audit_call ATTACH PARTITION {name} {bounds}")
    cursor.execute(
        f"CREATE TRIGGER {name}_refuse_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )
    cursor.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_truncate")
