"""The API log's writing side: the gateway's batch statement, and the monthly partitions.

Pages and exports read through audit.calls.selectors.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connections, transaction

# The order of a batch's parameters, and each column's type.
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

PARTITION_LOCK = 0x6B77_6C6F  # any constant of our own: one node at a time makes partitions


def build_batch(guard: str, *more: str) -> str:
    """A batch as a table of that name, without rows unless `guard` holds. Its parameters, the statement's first, are
    one text for each of BATCH_COLUMNS and of `more` text columns, then those of `guard`. A column's text is its values
    joined by SEPARATOR, or the value that all rows share; the first one's are always joined, because they count the
    rows. Where there is no value it is empty. Values hold no control characters."""
    kinds = BATCH_COLUMNS | dict.fromkeys(more, "text")
    # Each unnested by itself, in step: as one function in FROM they would be gathered in a table first. One that ends
    # before the others goes on as NULL; so a value that all rows share is taken apart, and sent, once.
    apart = ", ".join(f"unnest(string_to_array(%s, E'\\x1e')) AS {name}" for name in kinds)
    columns = ", ".join(
        _build_column(f"coalesce({name}, ${number})", name, kind)
        for number, (name, kind) in enumerate(kinds.items(), 1)
    )
    return f"(SELECT {columns} FROM (SELECT {apart} WHERE {guard}) AS apart) AS batch"


def build_single_row(guard: str) -> str:
    """A batch of one row: its parameters are the values themselves, so that no columns need be taken apart."""
    columns = ", ".join(_build_column("%s::text", name, kind) for name, kind in BATCH_COLUMNS.items())
    return f"(SELECT {columns} WHERE {guard}) AS batch"


def _build_column(value: str, name: str, kind: str) -> str:
    return f"{value} AS {name}" if kind == "text" else f"nullif({value}, '')::{kind} AS {name}"


def build_insert(rows: str, **instead: str) -> str:
    """The statement that writes `rows`, which is a `batch`, or another table of its columns; `instead` is an expression
    over it in place of a column."""
    values = {name: instead.get(name, name) for name in BATCH_COLUMNS}
    return f"INSERT INTO audit_call ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows}"


def ensure_partitions(months_ahead: int = 3) -> list[str]:
    """Make the partitions of the current and the next months, and of every month found in the DEFAULT one; return
    the months made, as `2026-11`. Safe at any time from any node; waits at most 3 seconds for a lock, then raises.

    Calls are never without a place: until its partition is there, DEFAULT takes them.
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
            # No row may be deleted, and none may lie in DEFAULT when its month's partition comes: move the table aside.
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
    """The tables that the log's rows lie in."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_call') WHERE isleaf")
        return {name for (name,) in cursor.fetchall()}


def parse_partition_month(partition: str) -> datetime | None:
    """The month that a partition is of; None for the DEFAULT one."""
    try:
        return datetime.strptime(partition, "audit_call_%Y_%m").replace(tzinfo=UTC)
    except ValueError:
        return None


def _list_month_starts(first: datetime, count: int) -> list[datetime]:
    """`count` starts of months in UTC, from the one `first` lies in."""
    first = first.astimezone(UTC)
    number = first.year * 12 + first.month - 1
    return [datetime((number + n) // 12, (number + n) % 12 + 1, 1, tzinfo=UTC) for n in range(count)]


def _format_partition(month: datetime) -> str:
    return f"audit_call_{month:%Y_%m}"


def _create_partition(cursor, name: str, bounds: str) -> None:  # type: ignore[no-untyped-def]
    """Attaching takes a weaker lock on the log than creating in place would: calls go on being written.

    Row triggers come from the parent; a TRUNCATE trigger does not.
    """
    cursor.execute(f"CREATE TABLE {name} (LIKE audit_call INCLUDING ALL)")
    cursor.execute(f"ALTER TABLE audit_call ATTACH PARTITION {name} {bounds}")
    cursor.execute(
        f"CREATE TRIGGER {name}_refuse_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )
    cursor.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_truncate")
