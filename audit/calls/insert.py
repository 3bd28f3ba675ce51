"""Insert into the API log: the SQL of the gateway's batches. Pages and exports read through audit.calls.selectors."""

from __future__ import annotations

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
    "old_secret": "boolean",
}
SEPARATOR = "\x1e"


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
