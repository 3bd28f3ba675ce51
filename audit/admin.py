"""Support's pages of both logs: read, a stretch of time at once, a page found by its keyset, nothing counted.

Calls have an index by account, by key and by request ID, none by time alone. So a page is of one account, one key or
one request; and where none is named, of the calls that belong to no account: refused before a key was known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from audit import selectors
from audit.calls import reasons
from audit.calls.filters import CallPageFilter
from audit.calls.names import get_log_names
from audit.exports import find_export, find_export_number
from audit.exports.columns import CALLS, EVENTS
from audit.exports.views import build_manifest_download
from audit.models import Call, Event
from audit.trail import sentences
from audit.trail.filters import EventPageFilter
from audit.trail.record_log_read import record_log_read
from core.accounts import Account, find_account, get_account_model
from core.admin import SupportAdmin
from core.filters.time_range import LogFilter, LogForm
from core.page_guard import SignedIn
from core.phone_masking import Mask
from core.request_id import time_of

DEFAULT_RANGE = timedelta(hours=24)
MAX_RANGE = timedelta(days=31)
# Of a path that belongs to nobody in particular, no digit of a number can be found.
MASK_ALL = Mask(0, "last")


class AccountField(forms.CharField):
    """An account by its slug."""

    def clean(self, value: Any) -> Account | None:
        slug = super().clean(value)
        if not slug:
            return None
        found = find_account(slug)
        if found is None:
            raise ValidationError(f"There is no account “{slug}”. Give its slug, as in the list of accounts.")
        return found


class AccountFilter(django_filters.Filter):
    field_class = AccountField


class BoundedLogForm(LogForm):
    """No more than MAX_RANGE at once."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        since, until = cleaned.get("from"), cleaned.get("to") or timezone.now()
        if since and until - since > MAX_RANGE:
            raise ValidationError(f"From and To are more than {MAX_RANGE.days} days apart. Take a shorter time.")
        return cleaned


class BoundedLogFilter(LogFilter):
    """The last day, where no time is given; the account is named by its slug."""

    @cached_property
    def account(self) -> Account | None:
        return self.form.cleaned_data["account"]

    @cached_property
    def since(self) -> datetime | None:
        return super().since or (self.until or timezone.now()) - DEFAULT_RANGE

    @property
    def shown(self) -> list[forms.BoundField]:
        return [field for field in self.form.visible_fields() if field.name != "after"]


class SupportCallFilter(BoundedLogFilter, CallPageFilter):
    account = AccountFilter(label="Account")

    class Meta(CallPageFilter.Meta):
        form = BoundedLogForm

    @cached_property
    def since(self) -> datetime | None:
        """A request ID says itself when the call was."""
        request_id = self.form.cleaned_data["request_id"]
        if request_id and time_of(request_id) and not any(self.data.get(name) for name in ("range", "from", "to")):
            return None
        return super().since

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        cleaned = self.form.cleaned_data
        if account := cleaned["account"]:
            queryset = queryset.filter(account_id=account.pk)
            self.mask = Mask.of(account)
        elif cleaned["key_id"] or cleaned["request_id"]:
            self.mask = MASK_ALL
        else:
            queryset = queryset.filter(account_id=None)
        return super().filter_queryset(queryset)


class SupportEventFilter(BoundedLogFilter, EventPageFilter):
    account = AccountFilter(label="Account")
    scope = None

    def in_scope(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """All of them: here nothing is routine."""
        return queryset

    class Meta(EventPageFilter.Meta):
        form = BoundedLogForm

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        account = self.form.cleaned_data["account"]
        return super().filter_queryset(queryset.filter(account_id=account.pk) if account else queryset)


class LogRow(NamedTuple):
    url: str
    cells: Iterable[Any]


class LogAdmin(SupportAdmin):
    """A page of a log, and one for each of its rows."""

    log: ClassVar[str]
    headings: ClassVar[tuple[str, ...]]
    note: ClassVar[str]

    def page(self, data: Any) -> tuple[BoundedLogFilter, selectors.Page[Any] | None]:
        """The filters, and what they find unless they cannot be applied."""
        raise NotImplementedError

    def cells(self, row: Any) -> Iterable[Any]:
        raise NotImplementedError

    def one(self, object_id: Any) -> Any:
        """The row with this number, or None."""
        raise NotImplementedError

    def facts(self, row: Any) -> Iterator[tuple[str, Any]]:
        raise NotImplementedError

    def link(self, row: Any) -> tuple[str, str] | None:
        """What can be had of the row besides: words and address."""
        return None

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        filters, page = self.page(request.GET)
        context: dict[str, Any] = {"filter": filters, "page": page, "headings": self.headings, "note": self.note}
        if page is not None:
            self._note(request, filters.account.pk if filters.account else None, filters.active)
            url = f"admin:{self.route('change')}"
            context["rows"] = [LogRow(reverse(url, args=[row.pk]), self.cells(row)) for row in page.rows]
        return self._answer(request, "admin/log.html", context, 400 if page is None else 200)

    def change_view(self, request: Any, object_id: Any, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.one(object_id)
        if row is None:
            raise Http404(f"no such {self.opts.verbose_name}")
        self._note(request, row.account_id, {self.opts.model_name or "": str(row.pk)})
        context = {"facts": self.facts(row), "title": str(row), "link": self.link(row)}
        return self._answer(request, "admin/log_row.html", context)

    def _note(self, request: SignedIn, account: int | None, filters: dict[str, str]) -> None:
        record_log_read(by=request.actor, account_id=account, log=self.log, filters=filters)

    def _answer(self, request: SignedIn, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        name = capfirst(str(self.opts.verbose_name_plural))
        common = self.admin_site.each_context(request) | {"title": name, "opts": self.opts, "media": Media()}
        return render(request, template, common | context, status=status)


class CallAdmin(LogAdmin):
    number = "uuid"
    log = CALLS.name
    headings = (
        *("Time (UTC)", "Account", "API ID", "Key", "Method", "Path", "Client address"),
        *("Decision", "Reason", "Status", "Stands for"),
    )
    note = (
        "Name an account, an API ID or a request ID. Without any of them, these are the calls of no account:"
        " those refused before a key was known."
    )

    def page(self, data: Any) -> tuple[BoundedLogFilter, selectors.Page[Call] | None]:
        names = get_log_names(None)
        filters = SupportCallFilter(data, selectors.list_all_calls(), apis=names.apis, modules=names.modules)
        if not filters.is_valid():
            return filters, None
        # Narrowed first: it says what of a path may be looked for.
        rows = filters.qs
        page = selectors.get_call_page(rows, filters.matching)
        mask_phone_numbers(page.rows)
        return filters, page

    def cells(self, row: Call) -> Iterable[Any]:
        path = f"{row.path}?{row.query}" if row.query else row.path
        return (
            *(format_time(row.time), row.account or "–", row.key_id or "–", row.key_name or "–", row.method, path),
            *(row.client_address or "–", row.decision, row.reason or "–", format_number(row.status), row.folded),
        )

    def one(self, object_id: UUID) -> Call | None:
        rows = selectors.list_all_calls().filter(request_id=object_id)
        if made := time_of(object_id):
            rows = rows.filter(time__range=(made - timedelta(hours=1), made + timedelta(hours=1)))
        row = rows.order_by("time").first()
        mask_phone_numbers([row] if row else [])
        return row

    def facts(self, row: Call) -> Iterator[tuple[str, Any]]:
        yield reasons.get_heading(row), reasons.explain(row)
        yield "Time (UTC)", format_time(row.time)
        yield "Calls that this row stands for", row.folded
        names = get_log_names(None)
        called = {"api": format_named(names.apis, row.api), "module": format_named(names.modules, row.module)}
        for name in COLUMNS:
            label = LABELS.get(name, name.replace("_", " ").capitalize())
            yield label, called.get(name) or getattr(row, name) or "–"
        yield "Phone numbers masked", "Yes" if row.mask else "No"
        yield "HLR lookup", "Yes" if row.hlr else "No"
        yield "Status", format_number(row.status)
        yield "Duration", "–" if row.duration_ms is None else f"{row.duration_ms} ms"
        yield "Bytes", format_number(row.bytes)


class EventAdmin(LogAdmin):
    """With the manifests of what Support exports from an account, which are the account's events."""

    log = EVENTS.name
    headings = ("Time (UTC)", "What happened", "By", "From", "Request ID")
    note = "Without an account, these are the events of all accounts and of none."

    def page(self, data: Any) -> tuple[BoundedLogFilter, selectors.Page[Event] | None]:
        filters = SupportEventFilter(data, selectors.list_all_events())
        if not filters.is_valid():
            return filters, None
        return filters, selectors.get_event_page(filters.qs, filters.matching)

    def cells(self, row: Event) -> Iterable[Any]:
        return format_time(row.at), sentences.format_sentence(row), row.actor, row.address or "–", row.request_id or "–"

    def one(self, object_id: int) -> Event | None:
        return selectors.list_all_events().filter(seq=object_id).first()

    def more_urls(self) -> list[URLPattern]:
        return [path("<int:object_id>/manifest/", require_safe(self.manifest_view), name=self.route("manifest"))]

    def manifest_view(self, request: SignedIn, object_id: int) -> HttpResponse:
        event = self.one(object_id)
        found = find_export(event.account_id, find_export_number(event)) if event and event.account_id else None
        return build_manifest_download(found)

    def link(self, row: Event) -> tuple[str, str] | None:
        if row.account_id is None or not find_export(row.account_id, find_export_number(row)):
            return None
        return "Signed manifest", reverse(f"admin:{self.route('manifest')}", args=[row.pk])

    def facts(self, row: Event) -> Iterator[tuple[str, Any]]:
        yield "What happened", sentences.format_sentence(row)
        yield "Time (UTC)", format_time(row.at)
        yield "Event", row.name
        yield (
            "Number",
            f"{format_number(row.number)} {'of the installation' if row.account_id is None else 'of the account'}",
        )
        yield "By", f"{row.actor} ({row.actor_kind} {row.actor_id})"
        yield "Confirmed by", sentences.get_confirmation(row) or "–"
        yield "From", row.address or "–"
        if row.target_kind:
            yield "Object", f"{row.target} ({row.target_kind} {row.target_id})"
        yield "Request ID", row.request_id or "–"
        yield from sentences.list_facts(row)
        for change in sentences.list_changes(row):
            yield change.label, f"{change.old} → {change.new}"


COLUMNS = (
    *("account", "api", "key_id", "key_name", "owner", "credential", "method", "host", "path", "query", "module"),
    *("client_address", "decision", "reason", "rule", "proxy", "user_agent", "request_id"),
)
LABELS = {"api": "API", "key_id": "API ID", "key_name": "Key", "request_id": "Request ID"}


def format_time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"


def format_named(names: Mapping[str, str], slug: str) -> str:
    """Return the name and the slug of an API or a module; of one that is gone, the slug."""
    return f"{names[slug]} ({slug})" if slug in names else slug


def format_number(number: int | None) -> int | str:
    return "–" if number is None else number


def mask_phone_numbers(calls: Iterable[Call]) -> None:
    """As each row's own account wants it."""
    calls = list(calls)
    accounts = get_account_model().objects.in_bulk({call.account_id for call in calls if call.account_id is not None})
    for call in calls:
        account = accounts.get(call.account_id)
        if mask := account and Mask.of(account):
            call.path, call.query = mask.hide(call.path), mask.hide(call.query)


ADMINS: dict[type[Model], type[SupportAdmin]] = {Call: CallAdmin, Event: EventAdmin}
