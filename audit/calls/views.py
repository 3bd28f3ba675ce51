"""The pages of the API log. That of one call is in keys/views/call.py, because it leads to its key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from audit.calls import charts
from audit.calls.filters import CallFilter, CallPageFilter, CallTailFilter
from audit.calls.list_columns import LOG
from audit.calls.names import LogNames, get_log_names, list_owner_nicknames
from audit.calls.selectors import get_call_page, get_call_tail, get_tail_start, list_calls
from audit.exports.columns import CALLS
from audit.models import Call
from audit.paging import build_page_range
from audit.trail.record_log_read import record_auditor_read
from core.accounts import Account
from core.authorization import has_permission
from core.columns import build_list_context, get_list_choice
from core.lists import format_count, merge_filters
from core.page_guard import SignedIn, needs
from core.pages import own_account
from core.permissions import Permission
from core.phone_masking import Mask

NOUNS = ("call", "calls")
TAIL_DELAY = timedelta(seconds=2)
Filter = TypeVar("Filter", bound=CallFilter)


@needs(Permission.LOG_SEE)
@require_safe
@vary_on_headers("HX-Request")
def log_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    names = get_log_names(account.pk)
    calls = filter_calls(CallPageFilter, request.GET, account, names)
    template = "audit/calls/_list.html" if request.htmx else "audit/calls/list.html"
    choice = get_list_choice(request.user, LOG)
    context = {
        "filter": calls,
        "owners": [] if request.htmx else list_owner_nicknames(account.pk),
        "may_export": has_permission(request.user, Permission.LOG_EXPORT),
    }
    if not calls.is_valid():
        return render(request, template, context, status=400)
    record_auditor_read(request, CALLS.name, calls.active)
    page = get_call_page(calls, choice.page_size)
    add_display_values(account, names, page.rows)
    newest = page.rows[0].position if page.rows else get_tail_start(TAIL_DELAY)
    return render(
        request,
        template,
        context
        | {
            "page": page,
            "range": build_page_range(calls, page, NOUNS),
            "newest": newest,
            "more": calls.has_active_more,
        }
        | build_list_context(request.user, LOG, choice),
    )


@needs(Permission.LOG_SEE)
@require_safe
@vary_on_headers("HX-Request")
def log_chart(request: SignedIn) -> HttpResponse:
    """Render the chart and aggregates for the list's filters; loaded beside the list, so that it does not wait."""
    account = own_account(request)
    names = get_log_names(account.pk)
    calls = filter_calls(CallFilter, merge_filters(request.GET, but=("after", "start")), account, names)
    template = "audit/calls/_chart.html" if request.htmx else "audit/calls/chart.html"
    if not calls.is_valid():
        return render(request, template, {"filter": calls}, status=400)
    record_auditor_read(request, CALLS.name, calls.active)
    chart, figures, total, sampled = charts.build_log_figures(account.pk, calls)
    context = {
        "filter": calls,
        "chart": chart,
        "durations": [(names.apis.get(api, api), *times) for api, *times in figures.durations],
        "addresses": figures.addresses,
        "sampled": sampled,
        "total": _format_total(total, get_list_choice(request.user, LOG).page_size),
    }
    return render(request, template, context)


@needs(Permission.LOG_SEE)
@require_safe
def log_tail(request: SignedIn) -> HttpResponse:
    """Render rows newer than the page's newest, newest first; 204 if there are none. If rows are left out, the last one
    says how many and links to them. Rows are committed out of order, so the tail stays TAIL_DELAY behind."""
    account = own_account(request)
    names = get_log_names(account.pk)
    calls = filter_calls(CallTailFilter, request.GET, account, names)
    if not calls.is_valid():
        return HttpResponseBadRequest("The filters cannot be applied.")
    tail = get_call_tail(calls.qs, calls.matching, timezone.now() - TAIL_DELAY)
    if not tail.rows:
        return HttpResponse(status=204)
    record_auditor_read(request, CALLS.name, calls.active)
    add_display_values(account, names, tail.rows)
    columns = LOG.arrange(get_list_choice(request.user, LOG).columns)
    return render(request, "audit/calls/_tail.html", {"tail": tail, "columns": columns})


def _format_total(total: int | None, size: int) -> str:
    """Return the total for the foot of the list; empty where one page shows all, or they are not counted."""
    return f" of {format_count(total)}" if total and total > size else ""


def filter_calls(kind: type[Filter], data: QueryDict, account: Account, names: LogNames | None = None) -> Filter:
    """Return a filter of this class over the account's calls, bound to `data`, with its mask and its names of APIs and
    modules."""
    names = names or get_log_names(account.pk)
    calls = list_calls(account.pk)
    return kind(data, calls, mask=Mask.from_account(account), apis=names.apis, modules=names.modules)


def add_display_values(account: Account, names: LogNames, calls: Iterable[Call]) -> None:
    """Add names and the request line to each call in place, and mask phone numbers as the account's settings say."""
    mask = Mask.from_account(account)
    for call in calls:
        call.api_name = names.apis.get(call.api, call.api)  # type: ignore[attr-defined]
        call.module_name = names.modules.get(call.module, "")  # type: ignore[attr-defined]
        if mask:
            call.path, call.query = mask.mask(call.path), mask.mask(call.query)
        call.request_line = f"{call.method} {call.path}{call.query and f'?{call.query}'}"  # type: ignore[attr-defined]
