"""What Support's pages of both logs share: lists of at most MAX_RANGE of time at once, found by keyset, and details.

The pages only read, count nothing, and record that they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.text import capfirst

from audit.paging import Page
from audit.trail.record_log_read import record_log_read
from core.accounts import Account, find_account
from core.admin import SupportAdmin
from core.filters.time_range import LogFilter, TimeRangeForm
from core.page_guard import SignedIn
from core.templatetags.ui import POSITIONS

DEFAULT_RANGE = timedelta(hours=24)
MAX_RANGE = timedelta(days=31)
FIRST_FIELDS = ("account", "range", "from", "to")


class AccountField(forms.CharField):
    """A slug, cleaned to the account that it belongs to."""

    def clean(self, value: Any) -> Account | None:
        slug = super().clean(value)
        if not slug:
            return None
        account = find_account(slug)
        if account is None:
            raise ValidationError(f'There is no account "{slug}". Enter its slug from the list of accounts.')
        return account


class AccountFilter(django_filters.Filter):
    field_class = AccountField


class BoundedLogForm(TimeRangeForm):
    """Refuse a time range longer than MAX_RANGE."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        since, until = cleaned.get("from"), cleaned.get("to") or timezone.now()
        if since and until - since > MAX_RANGE:
            raise ValidationError(f"From and To are more than {MAX_RANGE.days} days apart. Choose a shorter range.")
        return cleaned


class BoundedLogFilter(LogFilter):
    """Filter by account, and by time even if none is given: then the last DEFAULT_RANGE."""

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        filters = super().get_filters()
        filters["range"].extra["empty_label"] = "Default (24 hours)"
        return filters

    @cached_property
    def account(self) -> Account | None:
        return self.form.cleaned_data["account"]

    @cached_property
    def since(self) -> datetime | None:
        return super().since or (self.until or timezone.now()) - DEFAULT_RANGE

    @property
    def first_fields(self) -> list[forms.BoundField]:
        return [self.form[name] for name in FIRST_FIELDS]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        hidden = {*FIRST_FIELDS, *POSITIONS}
        return [field for field in self.form.visible_fields() if field.name not in hidden]

    @property
    def has_more_active(self) -> bool:
        return any(self.data.get(field.name) for field in self.more_fields)


class LogRow(NamedTuple):
    """A row of the list: the address of its detail, its time, and its other cells with their headings."""

    url: str
    time: datetime
    cells: list[tuple[str, Any]]


class LogAdmin(SupportAdmin):
    """The list of a log and the detail of each row. Subclasses say what is in them; the rows must have `account_id`."""

    log: ClassVar[str]
    # Of the columns after the time.
    headings: ClassVar[tuple[str, ...]]
    note: ClassVar[str]

    def get_page(self, data: Any) -> tuple[BoundedLogFilter, Page[Any] | None]:
        """Return the filters bound to `data`, and a page of the rows that pass; None if the filters are not valid."""
        raise NotImplementedError

    def get_time(self, row: Any) -> datetime:
        """Return when the row was written."""
        raise NotImplementedError

    def get_cells(self, row: Any) -> Iterable[Any]:
        """Return the row's cells after the time, one for each of `headings`."""
        raise NotImplementedError

    def list_cells(self, row: Any) -> list[tuple[str, Any]]:
        """Return the row's cells with their headings."""
        return list(zip(self.headings, self.get_cells(row), strict=True))

    def get_row(self, object_id: Any) -> Any:
        """Return the row with this primary key, or None."""
        raise NotImplementedError

    def list_facts(self, row: Any) -> Iterator[tuple[str, Any]]:
        """Yield labels and values for the row's detail."""
        raise NotImplementedError

    def get_link(self, row: Any) -> tuple[str, str] | None:
        """Return the text and address of a link on the row's detail, or None."""
        return None

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        filters, page = self.get_page(request.GET)
        context: dict[str, Any] = {
            "title": self.list_title,
            "filter": filters,
            "page": page,
            "headings": self.headings,
            "note": self.note,
            "clear_url": request.path if request.GET else "",
        }
        if page is not None:
            self._record_read(request, filters.account.pk if filters.account else None, filters.active)
            context["rows"] = [
                LogRow(self.get_page_url(row.pk), self.get_time(row), self.list_cells(row)) for row in page.rows
            ]
        return self.render(request, "admin/log.html", context, status=400 if page is None else 200)

    def change_view(self, request: Any, object_id: Any, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_row(object_id)
        if row is None:
            raise Http404(f"no such {self.opts.verbose_name}")
        self._record_read(request, row.account_id, {self.opts.model_name or "": str(row.pk)})
        context = {"facts": self.list_facts(row), "title": capfirst(str(row)), "link": self.get_link(row)}
        return self.render(request, "admin/log_row.html", context)

    def _record_read(self, request: SignedIn, account: int | None, filters: dict[str, str]) -> None:
        record_log_read(by=request.actor, account_id=account, log=self.log, filters=filters)


def format_number(number: int | None) -> int | str:
    return "–" if number is None else number
