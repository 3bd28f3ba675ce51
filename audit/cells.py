"""The columns of an export of the API log, as SQL."""

from __future__ import annotations

from django.db.models import QuerySet
from psycopg import ClientCursor, Cursor

from audit.models import Call
from audit.neutral import neutral_sql
from audit.phones import Mask

# In the order that readers of exports rely on.
COLUMNS = (
    *("time", "account", "api", "key_id", "key_name", "owner", "credential", "method", "host", "path", "query"),
    *("module", "client_address", "decision", "reason", "rule", "mask", "hlr", "proxy", "user_agent", "request_id"),
    *("status", "duration_ms", "bytes"),
)
MASKED = ("path", "query")
# Not text, so no spreadsheet takes them for a formula.
TYPED = {
    "time": """to_char(c.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    "client_address": "host(c.client_address)",
    "mask": "CASE WHEN c.mask THEN 'true' ELSE 'false' END",
    "hlr": "CASE WHEN c.hlr THEN 'true' ELSE 'false' END",
    "request_id": "c.request_id",
    "status": "c.status",
    "duration_ms": "c.duration_ms",
    "bytes": "c.bytes",
}


def copy_statement(rows: QuerySet[Call], mask: Mask | None, cursor: Cursor) -> bytes:
    """COPY of the rows, newest first, as CSV without a header. COPY takes no parameters: they are bound here."""
    sql, params = rows.order_by().values(*COLUMNS).query.sql_with_params()
    selected = f"({ClientCursor(cursor.connection).mogrify(sql, params)}) AS c"
    if mask:
        # OFFSET 0 keeps the planner from masking anew at every mention of the column.
        columns = ", ".join(f"{mask.sql(name)} AS {name}" if name in MASKED else name for name in COLUMNS)
        selected = f"(SELECT {columns} FROM {selected} OFFSET 0) AS c"
    cells = ", ".join(f"{TYPED.get(name) or neutral_sql(f'c.{name}')} AS {name}" for name in COLUMNS)
    # "c." in ORDER BY: a bare `time` would be the text of the same name.
    ordered = f"SELECT {cells} FROM {selected} ORDER BY c.time DESC, c.request_id DESC"
    return f"COPY ({ordered}) TO STDOUT (FORMAT csv)".encode()
