"""Split pasted text and uploaded files into lines and cells. keys.ip_lists.importing validates the cells.

One entry a line: network, description, enabled, separated by comma, semicolon or tab; or the network, a space or #, and
the description. A first line with column names may change the order. Empty lines and lines that begin with # are
skipped.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from core.csv_escaping import escape_cell
from keys.ip_lists.xlsx_limits import MAX_CELL_CHARACTERS, MAX_ROWS, WorkbookTooLarge, check_workbook

MAX_LINES = 10_000
MAX_BYTES = 1_000_000
COLUMNS = ("network", "description", "enabled")
# Columns of our own export that the import ignores.
IGNORED = ("created",)
NAMES = {"address": "network", "ip": "network", "cidr": "network", "ip address": "network", "comment": "description"}
HEADERS = {*COLUMNS, *NAMES}
FORMULA = "\0formula"
# What zipfile, expat and openpyxl raise for malformed workbooks.
WORKBOOK_ERRORS = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, KeyError, IndexError,
    AttributeError, TypeError, ParseError, ExpatError, OSError, ValueError,
)  # fmt: skip


class UnreadableEntries(ValueError):
    """The text or file cannot be parsed; the text says why, and what would be valid."""


class EntryRow(NamedTuple):
    line: int
    network: str
    description: str = ""
    enabled: str = ""
    # The first non-empty cell beyond the columns.
    extra: str = ""


class EntryTable(NamedTuple):
    rows: list[EntryRow]
    note: str = ""


def parse_text(text: str) -> EntryTable:
    """Return the lines of pasted text. Raise UnreadableEntries."""
    if len(text.encode()) > MAX_BYTES:
        raise UnreadableEntries(f"The text is too long. Paste at most {MAX_BYTES // 1000:,} kB at a time.")
    return EntryTable(_build_rows(_split_lines(text)))


def parse_file(content: bytes) -> EntryTable:
    """Return the lines of an XLSX workbook's first sheet or of a text file, whatever its name. Raise
    UnreadableEntries."""
    if len(content) > MAX_BYTES:
        raise UnreadableEntries(f"The file is too large. Use at most {MAX_BYTES // 1000:,} kB, or split it.")
    if content.startswith(b"PK\x03\x04"):
        return EntryTable(_build_rows(_read_sheet(content)))
    text, note = _decode(content)
    return EntryTable(_build_rows(_split_lines(text)), note)


def _decode(content: bytes) -> tuple[str, str]:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            try:
                return content.decode(encoding), ""
            except UnicodeDecodeError:
                raise UnreadableEntries(
                    f"The file says that it is {encoding.upper()}, but it is not. Save it again."
                ) from None
    if b"\0" in content:
        raise UnreadableEntries("This is neither a text file nor an XLSX workbook. Save it as CSV (UTF-8) or XLSX.")
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252"), "The file is not UTF-8 and was read as Windows-1252. Check the descriptions."
    except UnicodeDecodeError:
        raise UnreadableEntries("The file's encoding is unknown. Save it as CSV (UTF-8).") from None


def _split_lines(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    first = next((line for line in text.splitlines() if _is_content(line)), "")
    delimiter = next((sign for sign in first.partition("#")[0] if sign in ",;\t"), "")
    header = HEADERS & {cell.strip().lower() for cell in re.split("[,;\t]", first)}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or ",")
    end = 0
    try:
        for cells in reader:
            begin, end = end + 1, reader.line_num
            if max(map(len, cells), default=0) > MAX_CELL_CHARACTERS:
                raise _get_cell_error(begin)
            if cells and _is_content(cells[0] + "".join(cells[1:])):
                if "#" in cells[0] and not header:
                    yield begin, _split_at_space([(delimiter or ",").join(cells)])
                else:
                    yield begin, cells if delimiter else _split_at_space(cells)
    except csv.Error:
        # A reader that is not strict fails only for cells above the csv module's own limit, which is higher than ours.
        raise _get_cell_error(end + 1) from None


def _get_cell_error(line: int) -> UnreadableEntries:
    return UnreadableEntries(
        f"Line {line} has a cell of more than {MAX_CELL_CHARACTERS:,} characters. "
        "Check its quotation marks, and that each entry has a line of its own."
    )


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _split_at_space(cells: Sequence[str]) -> Sequence[str]:
    """Split `203.0.113.7 Berlin` and `203.0.113.7 # Berlin` into network and description."""
    if cells[0].strip().lower() in HEADERS:
        return cells
    network, *description = re.split(r"\s*#\s*|\s+", cells[0].strip(), maxsplit=1)
    return [network, *description, *cells[1:]]


def _read_sheet(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    # Imported here because it takes a fifth of the time in which a command starts.
    from openpyxl import load_workbook

    try:
        check_workbook(content)
        book = load_workbook(io.BytesIO(content), read_only=True)
        sheet = book.worksheets[0]
        # The dimensions that a workbook declares may be wrong.
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(max_col=20), 1):
            # Rows carry their own numbers, which may be far larger than the number of rows.
            if number > MAX_ROWS:
                raise UnreadableEntries(
                    f"The sheet has more than {MAX_ROWS:,} lines. Remove the empty ones, or split it."
                )
            cells = [FORMULA if cell.data_type == "f" else _format_cell(cell.value) for cell in row]
            if _is_content("".join(cells)):
                yield number, cells
    except WorkbookTooLarge as problem:
        raise UnreadableEntries(str(problem)) from None
    except WORKBOOK_ERRORS as problem:
        if isinstance(problem, UnreadableEntries):
            raise
        raise UnreadableEntries("The file looks like an XLSX workbook but cannot be read. Save it again.") from None


def _format_cell(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _build_rows(lines: Iterable[tuple[int, Sequence[str]]]) -> list[EntryRow]:
    columns: Sequence[str] = COLUMNS
    rows: list[EntryRow] = []
    for place, (line, cells) in enumerate(lines):
        cells = [_unescape(cell.strip()) for cell in cells]
        if place == 0 and (named := _parse_header(cells)):
            columns = named
            continue
        if len(rows) == MAX_LINES:
            raise UnreadableEntries(f"There are more than {MAX_LINES:,} entries. Import them in several parts.")
        known = {name: cell for name, cell in zip(columns, cells, strict=False) if name in COLUMNS}
        extra = next(filter(None, cells[len(columns) :]), "")
        rows.append(EntryRow(line, **{"network": "", **known}, extra=extra))
    if not rows:
        raise UnreadableEntries("No entries found. Enter one per line, for example: 203.0.113.0/24, Berlin.")
    return rows


def _parse_header(cells: Sequence[str]) -> list[str]:
    """Return the columns named by the first line; empty if it is an entry."""
    names = [NAMES.get(cell.lower(), cell.lower()) for cell in cells]
    if "network" not in names:
        return []
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in (*COLUMNS, *IGNORED):
            raise UnreadableEntries(f"Unknown column {name[:50]!r}. The columns are {', '.join(COLUMNS)}.")
        if names.count(name) > 1:
            raise UnreadableEntries(f"The column {name!r} appears twice. Remove one.")
    return names


def _unescape(cell: str) -> str:
    """Remove the apostrophe that exports put before text that a spreadsheet would take for a formula."""
    return cell[1:] if cell.startswith("'") and escape_cell(cell[1:]) == cell else cell
