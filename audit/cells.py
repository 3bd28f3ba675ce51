"""The columns of an export of the API log, as SQL."""

from __future__ import annotations

from django.db.models import QuerySet
from psycopg import ClientCursor, Cursor

from audit.models import Call
from audit.neutral import neutral_sql
from audit.phones import END, SHORTEST, START

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


def copy_statement(rows: QuerySet[Call], cursor: Cursor, *, masking: bool) -> bytes:
    """COPY of the rows, newest first, as CSV without a header. COPY takes no parameters: they are bound here.

    With `masking`, cells that may hold a phone number are marked for audit.phones.
    """
    sql, params = rows.order_by().values(*COLUMNS).query.sql_with_params()
    selected = ClientCursor(cursor.connection).mogrify(sql, params)
    cells = ", ".join(f"{_cell(name, masking)} AS {name}" for name in COLUMNS)
    # "c." in ORDER BY: a bare `time` would be the text of the same name.
    ordered = f"SELECT {cells} FROM ({selected}) AS c ORDER BY c.time DESC, c.request_id DESC"
    return f"COPY ({ordered}) TO STDOUT (FORMAT csv)".encode()


def _cell(name: str, masking: bool) -> str:
    if name in TYPED:
        return TYPED[name]
    cell = neutral_sql(f"c.{name}")
    if not masking or name not in MASKED:
        return cell
    return f"CASE WHEN c.{name} ~ '[0-9]{{{SHORTEST}}}' THEN '{START}' || {cell} || '{END}' ELSE {cell} END"
