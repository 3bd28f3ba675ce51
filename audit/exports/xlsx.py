"""An XLSX of one sheet whose cells are all text (ECMA-376): a ZIP of a few small parts and the rows.

PostgreSQL formats the rows' XML (audit.exports.columns), which takes a fortieth of the time of a library that is called
for each cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from audit.exports.columns import CELL

MAX_ROWS = 1_048_575  # beside the heading
MAX_CELL_LENGTH = 32_767  # characters
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_SHEET = (
    f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
)
_END = b"</sheetData></worksheet>"


def write_workbook(file: IO[bytes], name: str, columns: Iterable[str], rows: Iterable[bytes]) -> None:
    """Write a workbook whose sheet has the heading `columns` and `rows`, which is the XML of <row> elements in
    pieces."""
    workbook = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}/relationships"><sheets>'
    workbook += f'<sheet name="{escape(name)}" sheetId="1" r:id="r1"/></sheets></workbook>'
    heading = "".join(f"{CELL[0]}{escape(column)}{CELL[1]}" for column in columns)
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as book:
        for part, content in {**_PARTS, "xl/workbook.xml": workbook}.items():
            book.writestr(part, _HEAD + content)
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f"{_SHEET}<row>{heading}</row>".encode())
            for piece in rows:
                sheet.write(piece)
            sheet.write(_END)
