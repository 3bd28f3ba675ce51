"""The bytes of a file in each format, in blocks, one at least. Every function is a generator that counts rows as it
goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from django.db.models import QuerySet
from psycopg import Cursor

from audit.exports import xlsx as sheet
from audit.exports.columns import ExportTable
from core.phone_masking import Mask
from core.replica import reading, snapshot

BLOCK_BYTES = 64 * 1024  # bytes; a block for each row would cost more than making the row
EXPORT_TIMEOUT_SECONDS = 15 * 60  # seconds
BOM = b"\xef\xbb\xbf"
Buffer = bytes | bytearray | memoryview
Count = Callable[[int], None]


class ExportTimeout(Exception):
    """The client was too slow: a snapshot may not be held for ever."""


class Format(Protocol):
    def __call__(
        self, table: ExportTable, rows: QuerySet, mask: Mask | None, bom: bool, count: Count
    ) -> Iterator[bytes]: ...


def stream_csv(table: ExportTable, rows: QuerySet, mask: Mask | None, bom: bool, count: Count) -> Iterator[bytes]:
    """RFC 4180, UTF-8, on request with the mark by which Excel knows it."""
    yield (BOM if bom else b"") + ",".join(table.columns).encode() + b"\r\n"
    hide = mask.hide_marked if mask else None
    yield from _stream_copy(lambda cursor: table.csv(rows, cursor, masking=mask is not None), b"\r\n", hide, count)


def stream_jsonl(table: ExportTable, rows: QuerySet, mask: Mask | None, bom: bool, count: Count) -> Iterator[bytes]:
    """Yield one JSON object a line; of no rows, an empty file."""
    # There is no heading: without a block of its own a file without rows would be none at all.
    yield b""
    hide = mask.hide_marked_json if mask else None
    yield from _stream_copy(lambda cursor: table.jsonl(rows, cursor, masking=mask is not None), b"\n", hide, count)


def stream_xlsx(table: ExportTable, rows: QuerySet, mask: Mask | None, bom: bool, count: Count) -> Iterator[bytes]:
    """One sheet, every cell typed as text; made whole in a temporary file, so that it is known to be one."""
    hide = mask.hide_marked if mask else None
    cells = _stream_copy(lambda cursor: table.sheet(rows, cursor, masking=mask is not None), b"", hide, count)
    with tempfile.TemporaryFile() as file:
        sheet.write_workbook(file, table.name, table.columns, cells)
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            yield block


FORMATS: dict[str, tuple[str, str, Format]] = {
    "csv": ("CSV", "text/csv; charset=utf-8", stream_csv),
    "jsonl": ("JSON Lines", "application/jsonl", stream_jsonl),
    "xlsx": ("XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", stream_xlsx),
}


def _stream_copy(
    statement: Callable[[Cursor], bytes], end: bytes, hide: Callable[[bytes], bytes] | None, count: Count
) -> Iterator[bytes]:
    """COPY's rows in blocks of BLOCK_BYTES bytes or a little more. Each of its messages is one row, ended by LF."""
    deadline = time.monotonic() + EXPORT_TIMEOUT_SECONDS
    pending: list[Buffer] = []
    size = 0

    def joined() -> bytes:
        count(len(pending))
        block = end.join([*pending, b""])
        return hide(block) if hide else block

    with snapshot(seconds=EXPORT_TIMEOUT_SECONDS, using=reading()) as cursor, cursor.copy(statement(cursor)) as copy:
        for message in copy:
            pending.append(message[:-1])
            size += len(message)
            if size >= BLOCK_BYTES:
                yield joined()
                pending, size = [], 0
                if time.monotonic() > deadline:
                    raise ExportTimeout
    if pending:
        yield joined()
