"""What a file of either log holds: its columns in the order that readers rely on, as SQL for each format.

PostgreSQL does the formatting and neutralising, so that its work and the sending overlap; this process joins rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Model, QuerySet
from psycopg import ClientCursor, Cursor

from audit.models import Call, Event
from core.csv_escaping import neutral_sql
from core.phone_masking import END, MIN_DIGITS, START

TEXT = ""
# Characters that XML cannot hold, and what stands in their place.
NOT_XML = "".join(map(chr, (*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# How a cell of a sheet begins and ends.
CELL = ('<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
# A way of COPY that quotes nothing: neither JSON nor a cell's XML holds such a character, or the end of a line.
BARE = r"FORMAT csv, DELIMITER E'\x03', QUOTE E'\x04'"


@dataclass(frozen=True)
class ExportColumn:
    """`cell` is SQL over the row `c` that no spreadsheet takes for a formula, TEXT for what people typed; `value` is
    the JSON value where that is not the cell's text; `masked` cells may hold phone numbers; `typed` ones hold what
    people typed, though their SQL is given."""

    cell: str = TEXT
    value: str = ""
    masked: bool = False
    typed: bool = False

    @property
    def people(self) -> bool:
        """Whether it holds what people or programs outside chose."""
        return self.typed or not self.cell


@dataclass(frozen=True)
class ExportTable:
    """`name` is as events and pages say it, `slug` as file names do; `time` is the model's field that the time range
    bounds; `order` is newest first; `longest` is the model's field of whose length there is no limit."""

    name: str
    slug: str
    model: type[Model]
    time: str
    order: str
    columns: Mapping[str, ExportColumn] = field(repr=False)
    longest: str = ""

    @property
    def masks(self) -> bool:
        """Whether it has cells that may hold phone numbers."""
        return any(column.masked for column in self.columns.values())

    def csv(self, rows: QuerySet, cursor: Cursor, *, masking: bool) -> bytes:
        """COPY of the rows as CSV without a header. With `masking`, cells that may hold a phone number are marked."""
        cells = ", ".join(self._csv(name, masking) for name in self.columns)
        return _build_copy(self._selected(cells, rows, cursor), "FORMAT csv")

    def jsonl(self, rows: QuerySet, cursor: Cursor, *, masking: bool) -> bytes:
        """COPY of the rows as JSON objects, a line each, marked as in CSV."""
        cells = ", ".join(f"{self._json(name, masking)} AS {name}" for name in self.columns)
        return _build_copy(f"SELECT row_to_json(line) FROM ({self._selected(cells, rows, cursor)}) AS line", BARE)

    def sheet(self, rows: QuerySet, cursor: Cursor, *, masking: bool) -> bytes:
        """COPY of the rows as rows of an XLSX's sheet, marked as in CSV."""
        cells = " || ".join(self._sheet(name, masking) for name in self.columns)
        return _build_copy(self._selected(f"'<row>' || {cells} || '</row>'", rows, cursor), BARE)

    def cell(self, name: str) -> str:
        """SQL over the row `c` of the cell's text as CSV has it, before any masking."""
        return self._csv(name, masking=False)

    def _selected(self, cells: str, rows: QuerySet, cursor: Cursor) -> str:
        """COPY takes no parameters: they are bound here."""
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
        cell = neutral_sql(f"c.{name}")
        return _mark_masked(f"c.{name}", cell) if masking and column.masked else cell

    def _sheet(self, name: str, masking: bool) -> str:
        """Return the cell's XML as SQL. Excel reads `_x0041_` as a letter, so that the `_` of such text is escaped (its
        last `_` may begin the next such text: a lookahead leaves it there); line ends are escaped in the same way, and
        what XML cannot hold becomes U+FFFD."""
        column = self.columns[name]
        raw = f"({self._text(name)})::text"
        text = f"replace(replace({raw}, '&', '&amp;'), '<', '&lt;')"
        if column.people:
            told = rf"regexp_replace({text}, '_(?=x[0-9A-Fa-f]{{4}}_)', '_x005F_', 'g')"
            told = f"replace(replace({told}, E'\\n', '_x000A_'), E'\\r', '_x000D_')"
            told = f"translate({told}, '{NOT_XML}', '{REPLACEMENT * len(NOT_XML)}')"
            text = f"CASE WHEN {raw} ~ '_x|[\n\r{NOT_XML}]' THEN {told} ELSE {text} END"
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
    return f"CASE WHEN {raw} ~ '[0-9]{{{MIN_DIGITS}}}' THEN '{START}' || {cell} || '{END}' ELSE {cell} END"


def _time_column(column: str, digits: str) -> ExportColumn:
    return ExportColumn(f"""to_char(c.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.{digits}"Z"')""")


def _flag_column(name: str) -> ExportColumn:
    return ExportColumn(f"CASE WHEN c.{name} THEN 'true' ELSE 'false' END", f"c.{name}")


def _body_column(path: str) -> ExportColumn:
    """What an event's body alone holds."""
    return ExportColumn(
        neutral_sql(f"coalesce(c.body::jsonb ->> '{path}', '')"), f"c.body::jsonb -> '{path}'", typed=True
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
        "event": ExportColumn(neutral_sql("c.name"), "c.name"),
        **dict.fromkeys(("actor_kind", "actor_id", "actor"), ExportColumn()),
        "confirmed_by": _body_column("confirmed_by"),
        "address": ExportColumn("host(c.address)"),
        **{
            name: ExportColumn(neutral_sql(f"coalesce(c.{name}, '')"), f"c.{name}", typed=True)
            for name in ("target_kind", "target_id", "target", "request_id")
        },
        "data": _body_column("data"),
        "mac": ExportColumn("encode(c.mac, 'hex')"),
    },
    longest="body",
)
