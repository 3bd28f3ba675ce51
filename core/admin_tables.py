"""Lists and details of Support's pages: rows and facts, formatted as on the portal's pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.admin import FieldListFilter, ModelAdmin
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from core.templatetags.ui import moment, status

# No list shows or counts more rows than this; filters narrow it.
MAX_LIST_ROWS = 1_000
# Columns that models name for programs.
LABELS = {
    "api": "API",
    "created_at": "Created",
    "email": "E-mail",
    "expires_at": "Expires",
    "is_active": "Status",
    "last_login": "Last sign-in",
}
# What Django's filter of a boolean field calls its choices.
CHOICES = {"Yes": "Active", "No": "Inactive"}
EMPTY = "–"


def format_link(page: str, text: object, *args: object, **query: str) -> SafeString:
    """Return a link to the page of the administration, with its arguments and query."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}", args=args, query=query), text)


def count_rows(rows: QuerySet[Any], most: int = MAX_LIST_ROWS) -> int:
    """Return the number of rows, or `most + 1` for any higher number, so that the cost does not grow with the table."""
    return rows.order_by()[: most + 1].count()


def format_row_count(rows: QuerySet[Any], most: int = MAX_LIST_ROWS) -> str:
    count = count_rows(rows, most)
    return f"more than {most:,}" if count > most else f"{count:,}"


class BoundedPaginator(Paginator):
    """Pages of the first MAX_LIST_ROWS rows."""

    @cached_property
    def bounded_count(self) -> int:
        """Return the number of rows, or MAX_LIST_ROWS + 1 for any higher number."""
        rows = self.object_list
        return count_rows(rows) if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self.bounded_count, MAX_LIST_ROWS)


class BoundedList(ChangeList):
    """A list of limited length."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # A list on one page would have no limit.
        self.result_list = self.result_list[: self.list_per_page]

    @property
    def range(self) -> str:
        """Return which rows the page shows, of how many: "1–50 of 1,000+ users"."""
        first = (self.page_num - 1) * self.list_per_page
        count = self.paginator.bounded_count
        total = f"{MAX_LIST_ROWS:,}+" if count > MAX_LIST_ROWS else f"{count:,}"
        noun = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        if count <= self.list_per_page:
            return f"{total} {noun}"
        return f"{first + 1}–{first + len(self.result_list)} of {total} {noun}"

    @property
    def previous(self) -> str:
        """Return the address of the page before, or an empty string."""
        return self.get_query_string({PAGE_VAR: self.page_num - 1}) if self.page_num > 1 else ""

    @property
    def next(self) -> str:
        """Return the address of the next page, or an empty string."""
        return self.get_query_string({PAGE_VAR: self.page_num + 1}) if self.page_num < self.paginator.num_pages else ""

    def list_filters(self) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
        """Yield the label of each filter and its choices: the text, the address and whether it is chosen."""
        for spec in self.filter_specs:
            if isinstance(spec, FieldListFilter):
                choices = [
                    (
                        CHOICES.get(str(choice["display"]), str(choice["display"])),
                        choice["query_string"],
                        choice["selected"],
                    )
                    for choice in spec.choices(self)
                ]
                yield get_label(self.model_admin, spec.field.name), choices


class Cell(NamedTuple):
    """A value with its label."""

    label: str
    value: Any


def get_label(admin: ModelAdmin, name: Any) -> str:
    return LABELS.get(name) or capfirst(str(label_for_field(name, admin.model, admin)))


def format_value(admin: ModelAdmin, name: str, row: Any) -> Any:
    """Return the row's field or computed column: times with their zone, states as badges, choices in words."""
    field, _, value = lookup_field(name, row, admin)
    if name == "status":
        return status(value)
    if name == "is_active":
        return status("active" if value else "inactive")
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, datetime) or (value is None and field is not None and "Date" in type(field).__name__):
        return moment(value)
    if choices := getattr(field, "flatchoices", None):
        value = dict(choices).get(value, value)
    return EMPTY if value is None or value == "" else value


def list_cells(admin: ModelAdmin, names: Iterable[Any], row: Any) -> Iterator[Cell]:
    for name in names:
        yield Cell(get_label(admin, name), format_value(admin, name, row))


def list_sections(admin: ModelAdmin, request: HttpRequest, row: Any) -> Iterator[tuple[str, list[Cell]]]:
    """Yield the sections of a row's page: heading and facts. The first has the name of the row's kind."""
    for heading, options in admin.get_fieldsets(request, row):
        yield str(heading or capfirst(str(admin.opts.verbose_name))), list(list_cells(admin, options["fields"], row))
