"""Enforce limits on an uploaded workbook before openpyxl builds anything from it.

A few kilobytes of XLSX can hold millions of cells. Each part is streamed through expat once, at about 50 MB a second,
and rejected at the first limit exceeded; within the limits openpyxl takes at most about a second and 30 MB.
"""

from __future__ import annotations

import io
import zipfile
from xml.parsers import expat

MAX_UNPACKED_BYTES = 16_000_000
# Of all parts together; 10,000 entries of three cells, as Excel writes them, have about 110,000.
MAX_ELEMENTS = 150_000
MAX_ROWS = 50_000
MAX_CELLS_PER_ROW = 50
# Excel's own limit.
MAX_CELL_CHARACTERS = 32_767
MAX_DEPTH = 40
MAX_PARTS = 200
CHUNK_BYTES = 65_536


class WorkbookTooLarge(ValueError):
    """The workbook exceeds a limit; the text names it and what would be valid."""


def check_workbook(content: bytes) -> None:
    """Raise WorkbookTooLarge for a workbook beyond a limit, BadZipFile or ExpatError for a malformed one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS:
            raise WorkbookTooLarge(
                f"The workbook has more than {MAX_PARTS} parts. Save the sheet alone as CSV (UTF-8)."
            )
        if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
            size = f"{MAX_UNPACKED_BYTES // 1_000_000} MB"
            raise WorkbookTooLarge(f"The workbook has more than {size} once unpacked. Save the sheet as CSV (UTF-8).")
        counter = _Counter()
        for part in parts:
            if part.filename.lower().endswith((".xml", ".rels")):
                with archive.open(part) as file:
                    counter.read(file)


class _Counter:
    """Count the elements, rows, cells and characters of a workbook's parts."""

    def __init__(self) -> None:
        self.elements = 0

    def read(self, file: object) -> None:
        self.depth = self.rows = self.cells = self.characters = 0
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        while chunk := file.read(CHUNK_BYTES):  # type: ignore[attr-defined]
            parser.Parse(chunk, False)
        parser.Parse(b"", True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.depth += 1
        self.characters = 0
        kind = name.rpartition(":")[2]
        if kind == "row":
            self.rows, self.cells = self.rows + 1, 0
        elif kind == "c":
            self.cells += 1
        if self.elements > MAX_ELEMENTS or self.rows > MAX_ROWS:
            raise WorkbookTooLarge(
                f"The workbook is too large. Use at most {MAX_ROWS:,} lines without empty ones, or split it."
            )
        if self.cells > MAX_CELLS_PER_ROW:
            raise WorkbookTooLarge(f"A line has more than {MAX_CELLS_PER_ROW} cells. An entry has three at most.")
        if self.depth > MAX_DEPTH:
            raise WorkbookTooLarge("The workbook is malformed. Save the sheet as CSV (UTF-8).")

    def _end(self, name: str) -> None:
        self.depth -= 1

    def _text(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > MAX_CELL_CHARACTERS:
            raise WorkbookTooLarge(
                f"A cell has more than {MAX_CELL_CHARACTERS:,} characters. A description has 200 at most."
            )

    def _doctype(self, *args: object) -> None:
        raise WorkbookTooLarge("The workbook declares XML entities, which are not allowed. Save it again.")
