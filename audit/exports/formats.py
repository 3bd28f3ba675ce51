"""Stream a file in each format: generators of blocks, at least one, that call `count` with the number of rows."""

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
from core.replica import get_log_database, open_snapshot
from core.spreadsheets import CsvStyle

BLOCK_BYTES = 64 * 1024  # bytes; a block for each row would cost more than making the row
EXPORT_TIMEOUT_SECONDS = 15 * 60
BOM = b"\xef\xbb\xbf"
Buffer = bytes | bytearray | memoryview
Count = Callable[[int], None]


class ExportTimeout(Exception):
    """The client was too slow: a snapshot may be held no longer than EXPORT_TIMEOUT_SECONDS."""


class Format(Protocol):
    def __call__(
        self, table: ExportTable, rows: QuerySet, mask: Mask | None, csv: CsvStyle, count: Count
    ) -> Iterator[bytes]: ...


def stream_csv(table: ExportTable, rows: QuerySet, mask: Mask | None, csv: CsvStyle, count: Count) -> Iterator[bytes]:
    """Yield CSV (RFC 4180 but for another separator) in UTF-8."""
    yield (BOM if csv.bom else b"") + csv.separator.join(table.columns).encode() + b"\r\n"
    hide = mask.mask_marked if mask else None
    yield from _stream_copy(
        lambda cursor: table.copy_csv(rows, cursor, masking=mask is not None, separator=csv.separator),
        b"\r\n",
        hide,
        count,
    )


def stream_jsonl(table: ExportTable, rows: QuerySet, mask: Mask | None, csv: CsvStyle, count: Count) -> Iterator[bytes]:
    """Yield JSON Lines, one object a line; an empty file if there are no rows."""
    # There is no heading: without rows, this is the only block.
    yield b""
    hide = mask.mask_marked_json if mask else None
    yield from _stream_copy(lambda cursor: table.copy_jsonl(rows, cursor, masking=mask is not None), b"\n", hide, count)


def stream_xlsx(table: ExportTable, rows: QuerySet, mask: Mask | None, csv: CsvStyle, count: Count) -> Iterator[bytes]:
    """Yield an XLSX of one sheet with text cells; written to a temporary file first, so that errors are raised
    early."""
    hide = mask.mask_marked if mask else None
    cells = _stream_copy(lambda cursor: table.copy_sheet(rows, cursor, masking=mask is not None), b"", hide, count)
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
    """Yield the rows of COPY, each ended by `end` instead of LF, in blocks of BLOCK_BYTES or a little more; each
    message of COPY is one row. `hide` masks a block. Raise ExportTimeout."""
    deadline = time.monotonic() + EXPORT_TIMEOUT_SECONDS
    pending: list[Buffer] = []
    size = 0

    def build_block() -> bytes:
        count(len(pending))
        block = end.join([*pending, b""])
        return hide(block) if hide else block

    with (
        open_snapshot(seconds=EXPORT_TIMEOUT_SECONDS, using=get_log_database()) as cursor,
        cursor.copy(statement(cursor)) as copy,
    ):
        for message in copy:
            pending.append(message[:-1])
            size += len(message)
            if size >= BLOCK_BYTES:
                yield build_block()
                pending, size = [], 0
                if time.monotonic() > deadline:
                    raise ExportTimeout
    if pending:
        yield build_block()
