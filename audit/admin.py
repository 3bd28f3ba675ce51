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
from django.forms import Media
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from audit.paging import Page
from audit.trail.record_log_read import record_log_read
from core.accounts import Account, find_account
from core.admin import SupportAdmin
from core.filters.time_range import LogFilter, TimeRangeForm
from core.page_guard import SignedIn

DEFAULT_RANGE = timedelta(hours=24)
MAX_RANGE = timedelta(days=31)


class AccountField(forms.CharField):
    """A slug, cleaned to the account that it belongs to."""

    def clean(self, value: Any) -> Account | None:
        slug = super().clean(value)
        if not slug:
            return None
        account = find_account(slug)
        if account is None:
            raise ValidationError(f"There is no account “{slug}”. Enter its slug from the list of accounts.")
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

    @cached_property
    def account(self) -> Account | None:
        return self.form.cleaned_data["account"]

    @cached_property
    def since(self) -> datetime | None:
        return super().since or (self.until or timezone.now()) - DEFAULT_RANGE

    @property
    def visible_fields(self) -> list[forms.BoundField]:
        return [field for field in self.form.visible_fields() if field.name != "after"]


class LogRow(NamedTuple):
    """A row of the list: the address of its detail and its cells."""

    url: str
    cells: Iterable[Any]


class LogAdmin(SupportAdmin):
    """The list of a log and the detail of each row. Subclasses say what is in them; the rows must have `account_id`."""

    log: ClassVar[str]
    headings: ClassVar[tuple[str, ...]]
    note: ClassVar[str]

    def get_page(self, data: Any) -> tuple[BoundedLogFilter, Page[Any] | None]:
        """Return the filters bound to `data`, and a page of the rows that pass; None if the filters are not valid."""
        raise NotImplementedError

    def get_cells(self, row: Any) -> Iterable[Any]:
        """Return the row's cells, one for each of `headings`."""
        raise NotImplementedError

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
        context: dict[str, Any] = {"filter": filters, "page": page, "headings": self.headings, "note": self.note}
        if page is not None:
            self._record_read(request, filters.account.pk if filters.account else None, filters.active)
            url = f"admin:{self.get_url_name('change')}"
            context["rows"] = [LogRow(reverse(url, args=[row.pk]), self.get_cells(row)) for row in page.rows]
        return self._render(request, "admin/log.html", context, 400 if page is None else 200)

    def change_view(self, request: Any, object_id: Any, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_row(object_id)
        if row is None:
            raise Http404(f"no such {self.opts.verbose_name}")
        self._record_read(request, row.account_id, {self.opts.model_name or "": str(row.pk)})
        context = {"facts": self.list_facts(row), "title": str(row), "link": self.get_link(row)}
        return self._render(request, "admin/log_row.html", context)

    def _record_read(self, request: SignedIn, account: int | None, filters: dict[str, str]) -> None:
        record_log_read(by=request.actor, account_id=account, log=self.log, filters=filters)

    def _render(self, request: SignedIn, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        name = capfirst(str(self.opts.verbose_name_plural))
        common = self.admin_site.each_context(request) | {"title": name, "opts": self.opts, "media": Media()}
        return render(request, template, common | context, status=status)


def format_time(time: datetime) -> str:
    """Return the time with milliseconds, without its zone (UTC)."""
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"


def format_number(number: int | None) -> int | str:
    return "–" if number is None else number
