"""Support's pages of the API log.

Calls have an index by account, by key and by request ID, none by time alone. So a page is of one account, one key or
one request; where none is named, of the calls that belong to no account: refused before a key was known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from audit.admin import AccountFilter, BoundedLogFilter, BoundedLogForm, LogAdmin, format_number
from audit.calls import reasons
from audit.calls.filters import MAX_CLOCK_SKEW, CallPageFilter
from audit.calls.names import get_log_names
from audit.calls.selectors import get_call_page, list_all_calls
from audit.exports.columns import CALLS
from audit.models import Call
from audit.paging import Page
from core.accounts import get_account_model
from core.admin import SupportAdmin
from core.admin_tables import format_link
from core.phone_masking import Mask
from core.request_id import get_creation_time
from core.templatetags.ui import moment, status

# Rows of several accounts have no common mask: no digit of a phone number can be searched for in their paths.
MASK_ALL = Mask(0, "last")
FIELDS = (
    *("account", "api", "key_id", "key_name", "owner", "credential", "method", "host", "path", "query", "module"),
    *("client_address", "decision", "reason", "rule", "proxy", "user_agent", "request_id"),
)
LABELS = {"api": "API", "key_id": "API ID", "key_name": "Key", "request_id": "Request ID"}


class SupportCallFilter(BoundedLogFilter, CallPageFilter):
    account = AccountFilter(label="Account")

    class Meta(CallPageFilter.Meta):
        form = BoundedLogForm

    @cached_property
    def since(self) -> datetime | None:
        """Return the start of the range; None if no range but a request ID is given, which holds the call's time."""
        request_id = self.form.cleaned_data["request_id"]
        if (
            request_id
            and get_creation_time(request_id)
            and not any(self.data.get(name) for name in ("range", "from", "to"))
        ):
            return None
        return super().since

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        cleaned = self.form.cleaned_data
        if account := cleaned["account"]:
            queryset = queryset.filter(account_id=account.pk)
            self.mask = Mask.from_account(account)
        elif cleaned["key_id"] or cleaned["request_id"]:
            self.mask = MASK_ALL
        else:
            queryset = queryset.filter(account_id=None)
        return super().filter_queryset(queryset)


class CallAdmin(LogAdmin):
    list_title = "API logs"
    pk_converter = "uuid"
    log = CALLS.name
    headings = (*("Account", "Key", "Request", "Client address", "Decision", "HTTP status", "Count"),)
    note = (
        "Filter by account, API ID or request ID. Without any of these, only calls without an account are shown:"
        " those refused before a key was identified."
    )

    def get_page(self, data: Any) -> tuple[BoundedLogFilter, Page[Call] | None]:
        names = get_log_names(None)
        filters = SupportCallFilter(data, list_all_calls(), apis=names.apis, modules=names.modules)
        if not filters.is_valid():
            return filters, None
        page = get_call_page(filters)
        mask_phone_numbers(page.rows)
        return filters, page

    def get_time(self, row: Call) -> datetime:
        return row.time

    def get_cells(self, row: Call) -> Iterable[Any]:
        path = f"{row.path}?{row.query}" if row.query else row.path
        return (
            *(row.account or "–", add_second_line(row.key_name or "–", row.key_id), f"{row.method} {path}"),
            *(
                row.client_address or "–",
                add_second_line(status(row.decision), SafeString(escape(row.reason).replace("_", "_<wbr>"))),
            ),
            *(format_number(row.status), row.folded),
        )

    def get_row(self, object_id: UUID) -> Call | None:
        rows = list_all_calls().filter(request_id=object_id)
        if created_at := get_creation_time(object_id):
            rows = rows.filter(time__range=(created_at - MAX_CLOCK_SKEW, created_at + MAX_CLOCK_SKEW))
        row = rows.order_by("time").first()
        mask_phone_numbers([row] if row else [])
        return row

    def list_facts(self, row: Call) -> Iterator[tuple[str, Any]]:
        yield "Result", f"{reasons.get_heading(row)}. {reasons.explain(row)}"
        yield "Time", moment(row.time, ms=True)
        yield "Number of calls", row.folded
        names = get_log_names(None)
        named: dict[str, Any] = {
            "account": row.account_id and format_link("accounts_account_change", row.account, row.account_id),
            "api": format_name(names.apis, row.api),
            "key_id": row.key_id and format_link("keys_key_changelist", row.key_id, q=row.key_id),
            "module": format_name(names.modules, row.module),
            "decision": status(row.decision),
        }
        for name in FIELDS:
            label = LABELS.get(name, name.replace("_", " ").capitalize())
            yield label, named.get(name) or getattr(row, name) or "–"
        if row.old_secret:
            yield "Secret", "The old secret of a changed key"
        yield "Phone numbers masked", "Yes" if row.mask else "No"
        yield "HLR lookup", "Yes" if row.hlr else "No"
        yield "Status", format_number(row.status)
        yield "Duration", "–" if row.duration_ms is None else f"{row.duration_ms} ms"
        yield "Bytes", format_number(row.bytes)


def add_second_line(text: str, below: str) -> str:
    return format_html('{} <span class="muted under">{}</span>', text, below) if below else text


def format_name(names: Mapping[str, str], slug: str) -> str:
    """Return the name and the slug of an API or a module; the slug alone if it no longer exists."""
    return f"{names[slug]} ({slug})" if slug in names else slug


def mask_phone_numbers(calls: Iterable[Call]) -> None:
    """Mask path and query of each call in place, by the settings of the call's own account."""
    calls = list(calls)
    accounts = get_account_model().objects.in_bulk({call.account_id for call in calls if call.account_id is not None})
    for call in calls:
        account = accounts.get(call.account_id)
        if mask := account and Mask.from_account(account):
            call.path, call.query = mask.mask(call.path), mask.mask(call.query)


ADMINS: dict[type[Model], type[SupportAdmin]] = {Call: CallAdmin}
