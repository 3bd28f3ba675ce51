"""Export lists as CSV, escaped against formulas, and as XLSX with text cells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import tablib
from django.db.models import QuerySet
from import_export import fields, resources, widgets

from core.csv_escaping import escape_cell

# Content types by format; a ZIP holds a file of another format and its manifest.
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CONTENT_TYPES = FORMATS | {"zip": "application/zip"}
CHUNK_ROWS = 1_000


class TextWidget(widgets.Widget):
    """Render times in ISO 8601 UTC and booleans as true and false."""

    def render(self, value: Any, obj: Any = None, **options: Any) -> str:
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%dT%H:%M:%S}Z"
        return str(value).lower() if isinstance(value, bool) else super().render(value, obj, **options)


def build_column(attribute: str) -> fields.Field:
    """Return an export column that reads this attribute."""
    return fields.Field(attribute=attribute, widget=TextWidget())


class TextResource(resources.ModelResource):
    """One row for each object, every cell a text. `export(rows, format=...)`."""

    def export_field(self, field: fields.Field, instance: Any, **options: Any) -> str:
        text = str(super().export_field(field, instance, **options))
        return escape_cell(text) if options["format"] == "csv" else text

    def iter_queryset(self, queryset: QuerySet[Any]) -> Iterator[Any]:
        """Return the rows in the queryset's order through a server-side cursor; the library would page by OFFSET."""
        return queryset.iterator(chunk_size=CHUNK_ROWS)


class CsvStyle(NamedTuple):
    """How a CSV file is written: with a byte order mark or not, by which Excel detects UTF-8, and with which separator;
    Excel expects that of its user's region."""

    bom: bool = False
    separator: str = ","


PLAIN_CSV = CsvStyle()


def encode_table(table: tablib.Dataset, format: str, csv: CsvStyle = PLAIN_CSV) -> bytes:
    """Return the content of a CSV or XLSX file."""
    if format == "xlsx":
        return _encode_workbook(table)
    text: str = table.export("csv", delimiter=csv.separator)
    return text.encode("utf-8-sig" if csv.bom else "utf-8")


def _encode_workbook(table: tablib.Dataset) -> bytes:
    # Imported here because it takes a fifth of the time in which a command starts.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, TYPE_STRING

    def build_cell(text: str) -> WriteOnlyCell:
        # By default the library takes text that begins with = for a formula.
        cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", text))
        cell.data_type = TYPE_STRING
        return cell

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (table.headers, *table):
        sheet.append([build_cell(text) for text in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
