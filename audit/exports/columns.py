"""The columns of the logs' exports, in an order that readers rely on, as SQL for each format.

PostgreSQL formats and escapes the cells, so that its work overlaps with the download; this process only joins rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Model, QuerySet
from psycopg import ClientCursor, Cursor

from audit.models import Call, Event
from core.csv_escaping import build_escape_sql
from core.phone_masking import MARK_END, MARK_START, MIN_DIGITS

TEXT = ""
# Characters that XML 1.0 cannot hold, and their replacement.
NOT_XML = "".join(map(chr, (*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# The start and the end of a sheet's cell.
CELL = ('<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
# Options of COPY with which nothing is quoted: neither JSON nor a cell's XML holds these characters or a line end.
BARE = r"FORMAT csv, DELIMITER E'\x03', QUOTE E'\x04'"


@dataclass(frozen=True)
class ExportColumn:
    """`cell` is SQL over the row `c` for a text that no spreadsheet takes for a formula; TEXT stands for the column
    itself, escaped. `value` is SQL for the JSON value if that is not the cell's text. `masked` cells may hold phone
    numbers. `typed` cells hold text from people or programs outside though `cell` is given."""

    cell: str = TEXT
    value: str = ""
    masked: bool = False
    typed: bool = False

    @property
    def is_untrusted(self) -> bool:
        """Whether the cells hold text that people or programs outside chose."""
        return self.typed or not self.cell


@dataclass(frozen=True)
class ExportTable:
    """A log to export. `name` is used in events and on pages, `slug` in file names; `time` is the field that the range
    bounds; `order` is SQL, newest first; `unbounded` is the field whose length has no limit."""

    name: str
    slug: str
    model: type[Model]
    time: str
    order: str
    columns: Mapping[str, ExportColumn] = field(repr=False)
    unbounded: str = ""

    @property
    def has_masked(self) -> bool:
        """Whether a column may hold phone numbers."""
        return any(column.masked for column in self.columns.values())

    def copy_csv(self, rows: QuerySet, cursor: Cursor, *, masking: bool, separator: str = ",") -> bytes:
        """Return COPY of the rows as CSV without a header. With `masking`, cells that may hold a phone number are
        marked by START and END of core.phone_masking."""
        cells = ", ".join(self._csv(name, masking) for name in self.columns)
        return _build_copy(self._select(cells, rows, cursor), f"FORMAT csv, DELIMITER '{separator}'")

    def copy_jsonl(self, rows: QuerySet, cursor: Cursor, *, masking: bool) -> bytes:
        """Return COPY of the rows as JSON, one object a line, marked as in CSV."""
        cells = ", ".join(f"{self._json(name, masking)} AS {name}" for name in self.columns)
        return _build_copy(f"SELECT row_to_json(line) FROM ({self._select(cells, rows, cursor)}) AS line", BARE)

    def copy_sheet(self, rows: QuerySet, cursor: Cursor, *, masking: bool) -> bytes:
        """Return COPY of the rows as <row> elements of an XLSX's sheet, marked as in CSV."""
        cells = " || ".join(self._sheet(name, masking) for name in self.columns)
        return _build_copy(self._select(f"'<row>' || {cells} || '</row>'", rows, cursor), BARE)

    def get_cell_sql(self, name: str) -> str:
        """Return SQL over the row `c` for the cell's text in CSV, not masked."""
        return self._csv(name, masking=False)

    def _select(self, cells: str, rows: QuerySet, cursor: Cursor) -> str:
        """Return the SELECT of the cells with its parameters bound, because COPY takes none."""
        columns = (column.attname for column in self.model._meta.concrete_fields)
        sql, params = rows.order_by().values(*columns).query.sql_with_params()
        selected = ClientCursor(cursor.connection).mogrify(sql, params)
        return f"SELECT {cells} FROM ({selected}) AS c ORDER BY {self.order}"

    def _text(self, name: str) -> str:
        return self.columns[name].cell or f"c.{name}"

    def _csv(self, name: str, masking: bool) -> str:
        column = self.columns[name]
        if column.cell:
            return column.cell
        cell = build_escape_sql(f"c.{name}")
        return _mark_masked(f"c.{name}", cell) if masking and column.masked else cell

    def _sheet(self, name: str, masking: bool) -> str:
        """Return SQL for the cell's XML. Excel reads `_x0041_` as a letter (ECMA-376, ST_Xstring), so that the `_` of
        such text is escaped; the lookahead leaves its last `_`, which may begin the next. Line ends are escaped in the
        same way, and characters that XML cannot hold become U+FFFD."""
        column = self.columns[name]
        raw = f"({self._text(name)})::text"
        text = f"replace(replace({raw}, '&', '&amp;'), '<', '&lt;')"
        if column.is_untrusted:
            escaped = rf"regexp_replace({text}, '_(?=x[0-9A-Fa-f]{{4}}_)', '_x005F_', 'g')"
            escaped = f"replace(replace({escaped}, E'\\n', '_x000A_'), E'\\r', '_x000D_')"
            escaped = f"translate({escaped}, '{NOT_XML}', '{REPLACEMENT * len(NOT_XML)}')"
            text = f"CASE WHEN {raw} ~ '_x|[\n\r{NOT_XML}]' THEN {escaped} ELSE {text} END"
        if masking and column.masked:
            text = _mark_masked(f"c.{name}", text)
        return f"coalesce('{CELL[0]}' || nullif({text}, '') || '{CELL[1]}', '<c/>')"

    def _json(self, name: str, masking: bool) -> str:
        column = self.columns[name]
        if masking and column.masked:
            return _mark_masked(f"c.{name}", f"c.{name}")
        return column.value or self._text(name)


def _build_copy(select: str, options: str) -> bytes:
    return f"COPY ({select}) TO STDOUT ({options})".encode()


def _mark_masked(raw: str, cell: str) -> str:
    return f"CASE WHEN {raw} ~ '[0-9]{{{MIN_DIGITS}}}' THEN '{MARK_START}' || {cell} || '{MARK_END}' ELSE {cell} END"


def _time_column(column: str, digits: str) -> ExportColumn:
    return ExportColumn(f"""to_char(c.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.{digits}"Z"')""")


def _flag_column(name: str) -> ExportColumn:
    return ExportColumn(f"CASE WHEN c.{name} THEN 'true' ELSE 'false' END", f"c.{name}")


def _body_column(path: str) -> ExportColumn:
    """Return the column of a field that only the event's body holds."""
    return ExportColumn(
        build_escape_sql(f"coalesce(c.body::jsonb ->> '{path}', '')"), f"c.body::jsonb -> '{path}'", typed=True
    )


def _number_column(name: str) -> ExportColumn:
    return ExportColumn(f"c.{name}", f"c.{name}")


CALLS = ExportTable(
    "API log",
    "api-log",
    Call,
    "time",
    "c.time DESC, c.request_id DESC",
    {
        "time": _time_column("time", "MS"),
        **dict.fromkeys(
            ("account", "api", "key_id", "key_name", "owner", "credential", "method", "host"), ExportColumn()
        ),
        **dict.fromkeys(("path", "query"), ExportColumn(masked=True)),
        "module": ExportColumn(),
        "client_address": ExportColumn("host(c.client_address)"),
        **dict.fromkeys(("decision", "reason", "rule"), ExportColumn()),
        **{name: _flag_column(name) for name in ("mask", "hlr")},
        **dict.fromkeys(("proxy", "user_agent"), ExportColumn()),
        "request_id": ExportColumn("c.request_id"),
        **{name: _number_column(name) for name in ("status", "duration_ms", "bytes")},
        "count": _number_column("folded"),
    },
)
EVENTS = ExportTable(
    "audit trail",
    "audit-trail",
    Event,
    "at",
    "c.seq DESC",
    {
        "time": _time_column("at", "US"),
        "number": ExportColumn("c.number", "c.number"),
        "scope": ExportColumn("CASE WHEN c.account_id IS NULL THEN 'installation' ELSE 'account' END"),
        "event": ExportColumn(build_escape_sql("c.name"), "c.name"),
        **dict.fromkeys(("actor_kind", "actor_id", "actor"), ExportColumn()),
        "confirmed_by": _body_column("confirmed_by"),
        "address": ExportColumn("host(c.address)"),
        **{
            name: ExportColumn(build_escape_sql(f"coalesce(c.{name}, '')"), f"c.{name}", typed=True)
            for name in ("target_kind", "target_id", "target", "request_id")
        },
        "data": _body_column("data"),
        "mac": ExportColumn("encode(c.mac, 'hex')"),
    },
    unbounded="body",
)
