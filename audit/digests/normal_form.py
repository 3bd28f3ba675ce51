r"""The normal form of a row, which digests hash: what CSV, JSON Lines and XLSX exports have in common.

A row is the cells of an export's CSV, separated by TAB and ended by LF, with backslash, TAB, LF and CR inside a cell
escaped as in the text format of PostgreSQL's COPY (`\\`, `\t`, `\n`, `\r`). Characters that XML cannot hold are
U+FFFD. examples/verify_digests.py computes the same from an exported file; a test compares the two.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from psycopg import ClientCursor, Cursor

from audit.calls.selectors import list_calls_of_all_accounts
from audit.exports.columns import CALLS, EVENTS, NOT_XML, REPLACEMENT
from audit.models import Call, Event
from audit.trail.selectors import list_trail_events_of_all_accounts
from core.csv_escaping import escape_cell

# Columns of a call that arrive from the proxy's access log, later than the row.
LATE = ("status", "duration_ms", "bytes")
CALL_COLUMNS = tuple(name for name in CALLS.columns if name not in LATE)
LATE_COLUMNS = ("request_id", *LATE)
EVENT_COLUMNS = tuple(EVENTS.columns)
# What masking may change, whatever the account's settings: digits in such runs become X.
MASKABLE = "[0-9X]{7,}"
_MASKED = [place for place, name in enumerate(CALL_COLUMNS) if CALLS.columns[name].masked]
_MASKABLE = re.compile(MASKABLE.encode())
_FFFD = REPLACEMENT.encode()
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_REPLACED = str.maketrans(dict.fromkeys(NOT_XML, REPLACEMENT))
ROWS_AT_A_TIME = 256


class RowSummary:
    """Count, first and last ID and SHA-256 of rows, which must be added in the order of their IDs. `position` is the
    place of the ID among the cells."""

    def __init__(self, position: int) -> None:
        self._count, self._position = 0, position
        self._first, self._last = b"", b""
        self._pending: list[bytes] = []
        self._maskable: list[int] = []
        self._whole, self._masked = hashlib.sha256(), hashlib.sha256()

    def add(self, row: bytes, *, maskable: bool = False) -> None:
        """Add a row in normal form; `maskable` says that masking may change it."""
        if maskable:
            self._maskable.append(len(self._pending))
        self._pending.append(row)
        if len(self._pending) == ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        self._first, self._last = self._first or self._pending[0], self._pending[-1]
        self._count += len(self._pending)
        block = masked = _replace_non_xml(b"".join(self._pending))
        if self._maskable:
            for place in self._maskable:
                self._pending[place] = _mask_row(self._pending[place])
            masked = _replace_non_xml(b"".join(self._pending))
        self._whole.update(block)
        self._masked.update(masked)
        self._pending.clear()
        self._maskable.clear()

    def _id(self, row: bytes) -> str:
        return row.rstrip(b"\n").split(b"\t")[self._position].decode() if row else ""

    def as_json(self, *, whole: bool = True, masked: bool = False) -> dict[str, Any]:
        """Return count, first, last and sha256, which is None unless `whole`; with `masked`, also sha256_masked, the
        hash of the rows with every maskable digit replaced."""
        self._flush()
        summary: dict[str, Any] = {"count": self._count, "first": self._id(self._first), "last": self._id(self._last)}
        summary["sha256"] = self._whole.hexdigest() if whole else None
        return summary | ({"sha256_masked": self._masked.hexdigest()} if masked else {})


def _replace_non_xml(block: bytes) -> bytes:
    # Searching for one byte is much faster than for two.
    if b"\xef" in block:
        block = block.replace(b"\xef\xbf\xbe", _FFFD).replace(b"\xef\xbf\xbf", _FFFD)
    return block


def _mask_row(row: bytes) -> bytes:
    cells = row.split(b"\t", _MASKED[-1] + 1)
    for place in _MASKED:
        cells[place] = _MASKABLE.sub(lambda run: b"X" * len(run[0]), cells[place])
    return b"\t".join(cells)


def summarize_calls(cursor: Cursor, since: datetime | None, until: datetime) -> Iterator[tuple[int, RowSummary]]:
    """Yield (account, summary of its calls) for the time from `since` to before `until`; one pass in constant
    memory."""
    maskable = " || ' ' || ".join(f"c.{CALL_COLUMNS[place]}" for place in _MASKED)
    flag = f"CASE WHEN {maskable} ~ '{MASKABLE}' THEN 'X' ELSE '' END"
    return _summarize(cursor, since, until, flag, CALL_COLUMNS)


def summarize_late_columns(cursor: Cursor, since: datetime | None, until: datetime) -> Iterator[tuple[int, RowSummary]]:
    """Yield the same for the columns that arrive late."""
    return _summarize(cursor, since, until, "''", LATE_COLUMNS)


def _summarize(
    cursor: Cursor, since: datetime | None, until: datetime, flag: str, columns: Sequence[str]
) -> Iterator[tuple[int, RowSummary]]:
    """Yield (account, summary of its rows). `flag` is an SQL expression, not empty if masking may change the row."""
    rows = list_calls_of_all_accounts().filter(time__lt=until)
    sql = _bind_parameters(rows.filter(time__gte=since) if since else rows, cursor)
    cells = ", ".join(CALLS.get_cell_sql(name) for name in columns)
    order = "c.account_id, c.request_id"
    statement = f"COPY (SELECT c.account_id, {flag}, {cells} FROM ({sql}) AS c ORDER BY {order}) TO STDOUT (NULL '')"
    position = columns.index("request_id")
    # `plain` is how most rows of the account begin: without a flag.
    account, plain, summary = b"", b"\t", RowSummary(position)
    with cursor.copy(statement.encode()) as copy:
        for message in copy:
            row = bytes(message)
            if row.startswith(plain):
                summary.add(row[len(plain) :])
                continue
            owner, flagged, row = row.split(b"\t", 2)
            if owner != account:
                if account:
                    yield int(account), summary
                account, plain, summary = owner, owner + b"\t\t", RowSummary(position)
            summary.add(row, maskable=bool(flagged))
    if account:
        yield int(account), summary


def iterate_events(cursor: Cursor, after: int, last: int) -> Iterator[tuple[int | None, int, str, int, bytes]]:
    """Yield (account, number, name, place in the chain, normal form) of the numbered events after `after` up to `last`
    that an account's trail shows, in the order of the chain. The account is None for events of the installation."""
    rows = list_trail_events_of_all_accounts().filter(seq__gt=after, seq__lte=last, number__isnull=False)
    cells = ", ".join(f"({EVENTS.get_cell_sql(name)})::text" for name in EVENT_COLUMNS)
    selected = _bind_parameters(rows, cursor)
    select = f"SELECT c.account_id, c.number, c.name, c.seq, {cells} FROM ({selected}) AS c ORDER BY c.seq"
    cursor.execute(select.encode())
    for account, number, name, seq, *values in cursor:
        texts = dict(zip(EVENT_COLUMNS, values, strict=True))
        texts["data"] = format_json(texts["data"])
        yield account, number, name, seq, format_row(list(texts.values()))


def format_json(text: str) -> str:
    """Return the JSON text with sorted names and no white space."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def format_row(cells: Sequence[str | None]) -> bytes:
    """Return the normal form of a row, given the texts of its cells."""
    texts = (escape_cell((cell or "").translate(_REPLACED)).translate(_ESCAPES) for cell in cells)
    return ("\t".join(texts) + "\n").encode()


def _bind_parameters(rows: QuerySet[Call] | QuerySet[Event], cursor: Cursor) -> str:
    """Return the query with its parameters bound, because COPY takes none."""
    columns = (column.attname for column in rows.model._meta.concrete_fields)
    sql, params = rows.order_by().values(*columns).query.sql_with_params()
    return ClientCursor(cursor.connection).mogrify(sql, params)
