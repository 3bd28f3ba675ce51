"""Export lists as CSV, escaped against formulas, and as XLSX with text cells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import tablib
from django.db.models import QuerySet
from import_export import fields, resources, widgets
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, TYPE_STRING

from core.csv_escaping import escape_cell

# Name -> what an answer says it is; a ZIP holds a file of another format and its manifest.
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


def encode_table(table: tablib.Dataset, format: str) -> bytes:
    """Return the content of a CSV or XLSX file."""
    return _encode_workbook(table) if format == "xlsx" else table.csv.encode()


def _encode_workbook(table: tablib.Dataset) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (table.headers, *table):
        sheet.append([_build_cell(sheet, text) for text in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _build_cell(sheet: Any, text: str) -> WriteOnlyCell:
    # Left to guess, the library takes what begins with = for a formula.
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.data_type = TYPE_STRING
    return cell
