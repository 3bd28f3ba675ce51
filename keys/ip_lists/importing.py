"""Validate many entries line by line, and sign the preview, so that exactly what was previewed is added."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, ClassVar, NamedTuple

import tablib
from django.core import signing
from django.core.exceptions import ValidationError
from import_export import fields, resources, widgets

from keys.decision.addresses import Network, format_network, get_width_warning, parse_address, parse_network
from keys.ip_lists.entries import MAX_ENTRY_DESCRIPTION_LENGTH, Entry, find_text_problem, format_duplicate
from keys.ip_lists.entry_parser import COLUMNS, FORMULA, EntryRow
from keys.models import IpList, IpListEntry

ON = ("", "true", "yes", "1", "on", "enabled")
OFF = ("false", "no", "0", "off", "disabled")
PREVIEW_SECONDS = 3600
MAX_WRONG_LINES = 100
# Validated without a pause, in about 20 ms.
ROWS_AT_A_TIME = 200
NO_FORMULA = "This cell contains a formula. Replace it with its value."


class InvalidCell(NamedTuple):
    """An invalid cell; `column` is empty for cells beyond the columns."""

    line: int
    column: str
    value: str
    why: str


class ImportPreview(NamedTuple):
    """The entries to add, the first invalid cells, and the number of invalid lines."""

    entries: list[Entry]
    wrong: list[InvalidCell]
    wrong_count: int

    @property
    def more_wrong(self) -> int:
        """The number of invalid lines that `wrong` leaves out."""
        return self.wrong_count - len({cell.line for cell in self.wrong})

    @property
    def warnings(self) -> list[str]:
        return [warning for entry in self.entries if (warning := get_width_warning(entry.network))]


class NetworkWidget(widgets.Widget):
    def clean(self, value: str, row: Any = None, **kwargs: Any) -> Network:
        if value == FORMULA:
            raise ValueError(NO_FORMULA)
        if not value:
            raise ValueError("This line has no network.")
        return parse_network(value)


class DescriptionWidget(widgets.Widget):
    def clean(self, value: str, row: Any = None, **kwargs: Any) -> str:
        if value == FORMULA:
            raise ValueError(NO_FORMULA)
        if parse_address(value.partition("/")[0]):
            raise ValueError("This is an address, but a description was expected. Put each entry on its own line.")
        if problem := find_text_problem(value, MAX_ENTRY_DESCRIPTION_LENGTH):
            raise ValueError(problem)
        return value


class EnabledWidget(widgets.Widget):
    def clean(self, value: str, row: Any = None, **kwargs: Any) -> bool:
        if value.lower() not in (*ON, *OFF):
            message = NO_FORMULA if value == FORMULA else f"{value[:50]!r} is not true or false. Enter one of them."
            raise ValueError(message)
        return value.lower() in ON


class EntryImport(resources.ModelResource):
    """Validate rows and collect valid entries. Nothing is saved here: only keys.ip_lists.services adds entries."""

    network = fields.Field(attribute="network", column_name="network", widget=NetworkWidget())
    description = fields.Field(attribute="description", column_name="description", widget=DescriptionWidget())
    enabled = fields.Field(attribute="enabled", column_name="enabled", widget=EnabledWidget())

    class Meta:
        model = IpListEntry
        fields: ClassVar = ("network", "description", "enabled")
        import_id_fields: ClassVar = ()
        force_init_instance = True
        skip_diff = True
        # Without it each row would get a savepoint.
        use_bulk = True

    def __init__(self, existing: Collection[Network]) -> None:
        super().__init__()
        self.existing = existing
        self.lines: dict[Network, int] = {}
        self.entries: list[Entry] = []

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        if row["extra"]:
            message = "This line has more cells than columns. Put quotes around text that contains the separator."
            raise ValidationError({"extra": message})

    def validate_instance(
        self,
        instance: IpListEntry,
        import_validation_errors: dict[str, Any] | None = None,
        validate_unique: bool = True,
    ) -> None:
        errors = dict(import_validation_errors or {})
        network = None if "network" in errors else instance.network
        if network and network in self.existing:
            errors["network"] = ValidationError(format_duplicate(network))
        elif network and network in self.lines:
            errors["network"] = ValidationError(f"{format_network(network)} is already on line {self.lines[network]}.")
        if errors:
            raise ValidationError(errors)

    def save_instance(self, instance: IpListEntry, is_create: bool, row: Any, **kwargs: Any) -> None:
        self.lines[instance.network] = row["line"]
        self.entries.append(Entry.from_row(instance))


def build_preview(ip_list: IpList, rows: list[EntryRow], throttle: Callable[[], None]) -> ImportPreview:
    """Return the entries that would be added to the list, and the invalid cells. Call `throttle` after each
    ROWS_AT_A_TIME."""
    resource = EntryImport(existing=set(ip_list.entries.values_list("network", flat=True)))
    wrong: list[InvalidCell] = []
    wrong_count = 0
    for first in range(0, len(rows), ROWS_AT_A_TIME):
        some = rows[first : first + ROWS_AT_A_TIME]
        result = resource.import_data(tablib.Dataset(*some, headers=EntryRow._fields), dry_run=True, raise_errors=False)
        if result.has_errors():
            raise next(error.error for _, errors in result.row_errors() for error in errors)
        wrong_count += len(result.invalid_rows)
        for invalid in result.invalid_rows[: max(0, MAX_WRONG_LINES - len(wrong))]:
            wrong.extend(_list_invalid_cells(some[invalid.number - 1], invalid.error.message_dict))
        throttle()
    return ImportPreview(resource.entries, wrong, wrong_count)


def _list_invalid_cells(row: EntryRow, errors: Mapping[str, Sequence[str]]) -> Iterator[InvalidCell]:
    for field, problems in errors.items():
        value = getattr(row, field, "")
        column = field if field in COLUMNS else ""
        yield InvalidCell(row.line, column, "" if value == FORMULA else value[:100], " ".join(problems))


def sign_preview(ip_list: IpList, user_id: int, preview: ImportPreview) -> str:
    """Return the preview as signed text, valid for this user and this list for an hour."""
    rows = [[str(entry.network), entry.description, entry.enabled] for entry in preview.entries]
    return signing.dumps([rows, preview.wrong, preview.wrong_count], salt=_get_salt(ip_list, user_id), compress=True)


def load_preview(ip_list: IpList, user_id: int, text: str) -> ImportPreview:
    """Return a signed preview. Raise django.core.signing.BadSignature."""
    rows, wrong, count = signing.loads(text, salt=_get_salt(ip_list, user_id), max_age=PREVIEW_SECONDS)
    entries = [Entry(ip_network(network), description, enabled) for network, description, enabled in rows]
    return ImportPreview(entries, [InvalidCell(*line) for line in wrong], count)


def _get_salt(ip_list: IpList, user_id: int) -> str:
    return f"keys.ip_lists.import {ip_list.pk} {user_id}"
