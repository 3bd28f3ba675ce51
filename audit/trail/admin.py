"""Support's pages of the audit trail, with the manifests of the exports that Support made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from audit.admin import AccountFilter, BoundedLogFilter, BoundedLogForm, LogAdmin, format_number
from audit.exports import find_export, find_export_number
from audit.exports.columns import EVENTS
from audit.exports.views import build_manifest_download
from audit.models import Event
from audit.paging import Page
from audit.trail import sentences
from audit.trail.filters import EventPageFilter
from audit.trail.selectors import get_event_page, list_all_events
from core.admin import SupportAdmin
from core.page_guard import SignedIn
from core.templatetags.ui import moment


class SupportEventFilter(BoundedLogFilter, EventPageFilter):
    account = AccountFilter(label="Account")
    scope = None

    def filter_scope(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Return all events, routine ones too."""
        return queryset

    class Meta(EventPageFilter.Meta):
        form = BoundedLogForm

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        account = self.form.cleaned_data["account"]
        return super().filter_queryset(queryset.filter(account_id=account.pk) if account else queryset)


class EventAdmin(LogAdmin):
    list_title = "Audit trail"
    log = EVENTS.name
    headings = ("What happened", "By", "From", "Request ID")
    note = "Without an account filter, events of all accounts and of the installation are shown."

    def get_page(self, data: Any) -> tuple[BoundedLogFilter, Page[Event] | None]:
        filters = SupportEventFilter(data, list_all_events())
        if not filters.is_valid():
            return filters, None
        return filters, get_event_page(filters.qs, filters.matching)

    def get_time(self, row: Event) -> datetime:
        return row.at

    def get_cells(self, row: Event) -> Iterable[Any]:
        return sentences.format_sentence(row), row.actor, row.address or "–", row.request_id or "–"

    def get_row(self, object_id: int) -> Event | None:
        return list_all_events().filter(seq=object_id).first()

    def get_extra_urls(self) -> list[URLPattern]:
        return [path("<int:object_id>/manifest/", require_safe(self.manifest_view), name=self.get_url_name("manifest"))]

    def manifest_view(self, request: SignedIn, object_id: int) -> HttpResponse:
        event = self.get_row(object_id)
        export = find_export(event.account_id, find_export_number(event)) if event and event.account_id else None
        return build_manifest_download(export)

    def get_link(self, row: Event) -> tuple[str, str] | None:
        if row.account_id is None or not find_export(row.account_id, find_export_number(row)):
            return None
        return "Signed manifest", reverse(f"admin:{self.get_url_name('manifest')}", args=[row.pk])

    def list_facts(self, row: Event) -> Iterator[tuple[str, Any]]:
        owner = "of the installation" if row.account_id is None else "of the account"
        yield "What happened", sentences.format_sentence(row)
        yield "Time", moment(row.at, ms=True)
        yield "Event", row.name
        yield "Number", f"{format_number(row.number)} {owner}"
        yield "By", f"{row.actor} ({row.actor_kind} {row.actor_id})"
        yield "Confirmed by", sentences.get_confirmation(row) or "–"
        yield "From", row.address or "–"
        if row.target_kind:
            yield "Object", f"{row.target} ({row.target_kind} {row.target_id})"
        yield "Request ID", row.request_id or "–"
        yield from ((label, value or "–") for label, value in sentences.list_facts(row))
        for change in sentences.list_changes(row):
            yield change.label, format_html("{} → {}", change.old, change.new)


ADMINS: dict[type[Model], type[SupportAdmin]] = {Event: EventAdmin}
