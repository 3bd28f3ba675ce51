"""The text of API log rows that seals hash: one line for each row, in the text format of PostgreSQL's COPY.

Columns have a fixed order and times are UTC text, so that no session setting matters. A seal states the number of its
format; a format that seals were made with never changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Cursor

from audit.trail.chain import format_instant

# The address without its prefix length; seals from before there were formats, which are still verified.
HOST_ONLY: Final = 1
# Without old_secret, which the log did not have; without the late columns, and with them.
WITHOUT_SECRET_AND_LATE: Final = 2
WITHOUT_SECRET: Final = 3
# Without the columns that arrive later from a proxy's access log.
WITHOUT_LATE: Final = 4
# Every column.
WHOLE: Final = 5

LATE_COLUMNS = ("status", "duration_ms", "bytes")
_TIME = """to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_BEFORE_ADDRESS = (
    *("request_id", "account_id", "account", "api", "key_id", "key_name", "owner", "credential", "method", "host"),
    *("path", "query", "module"),
)
_AFTER_ADDRESS = ("decision", "reason", "rule", "mask", "hlr", "proxy", "user_agent", "folded")
# text() keeps an address's prefix length. core.replica fixes the number of digits of floats.
_WITHOUT_SECRET = (_TIME, *_BEFORE_ADDRESS, "text(client_address)", *_AFTER_ADDRESS)
EXPRESSIONS: dict[int, tuple[str, ...]] = {
    HOST_ONLY: (_TIME, *_BEFORE_ADDRESS, "host(client_address)", *_AFTER_ADDRESS),
    WITHOUT_SECRET_AND_LATE: _WITHOUT_SECRET,
    WITHOUT_SECRET: (*_WITHOUT_SECRET, *LATE_COLUMNS),
    WITHOUT_LATE: (*_WITHOUT_SECRET, "old_secret"),
    WHOLE: (*_WITHOUT_SECRET, "old_secret", *LATE_COLUMNS),
}
# The names of the columns that each present format covers.
_COVERED = frozenset({"time", *_BEFORE_ADDRESS, "client_address", *_AFTER_ADDRESS, "old_secret"})
COVERED: dict[int, frozenset[str]] = {WITHOUT_LATE: _COVERED, WHOLE: _COVERED | set(LATE_COLUMNS)}


@dataclass(frozen=True, slots=True)
class RowsHash:
    """Count and SHA-256 (hex) of rows in the order of time and request ID; `first` and `last` are request IDs, empty if
    there is no row."""

    rows: int
    first: str
    last: str
    sha256: str


def build_select(form: int, since: datetime | None, until: datetime | None, *, condition: str = "true") -> str:
    """Return the SELECT of the rows with `since` <= time < `until` in the format `form`; None means unbounded.
    `condition` is SQL without parameters."""
    conditions = [f"({condition})"]
    if since is not None:
        conditions.append(f"time >= '{format_instant(since)}'")
    if until is not None:
        conditions.append(f"time < '{format_instant(until)}'")
    columns = ", ".join(EXPRESSIONS[form])
    return f"SELECT {columns} FROM audit_call WHERE {' AND '.join(conditions)} ORDER BY time, request_id"


def hash_rows(
    cursor: Cursor, form: int, since: datetime | None, until: datetime | None, *, condition: str = "true"
) -> RowsHash:
    """Hash the rows that `build_select` selects, in constant memory."""
    hashed, rows, first = hashlib.sha256(), 0, ""
    last: Any = b""
    with cursor.copy(f"COPY ({build_select(form, since, until, condition=condition)}) TO STDOUT (FORMAT text)") as copy:
        for message in copy:
            last = message
            hashed.update(message)
            rows += 1
            if rows == 1:
                first = _parse_request_id(message)
    return RowsHash(rows, first, _parse_request_id(last) if rows else "", hashed.hexdigest())


def _parse_request_id(line: Any) -> str:
    return bytes(line).split(b"\t", 2)[1].decode()
