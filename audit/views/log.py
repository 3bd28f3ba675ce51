"""The API log: its pages and its export."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import SignedIn, needs
from accounts.models import Account
from accounts.permissions import Permission
from accounts.policy import has
from audit import selectors
from audit.filters import CallPageFilter
from audit.models import Call
from audit.phones import Mask
from audit.tables import CALLS
from audit.views.reader import note_reading, own_account


@needs(Permission.LOG_SEE)
@require_safe
@vary_on_headers("HX-Request")
def log_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    calls = CallPageFilter(request.GET, selectors.calls(account.pk), mask=Mask.of(account))
    template = "audit/_log.html" if request.htmx else "audit/log.html"
    context = {"filter": calls, "may_export": has(request.user, Permission.LOG_EXPORT)}
    if not calls.is_valid():
        return render(request, template, context, status=400)
    note_reading(request, CALLS.name, calls.active)
    page = selectors.page_of_calls(calls.qs, calls.matching)
    _mask(account, page.rows)
    return render(request, template, context | {"page": page})


@needs(Permission.LOG_SEE)
@require_safe
@vary_on_headers("HX-Request")
def log_detail(request: SignedIn, request_id: UUID) -> HttpResponse:
    account = own_account(request)
    call = selectors.call(account.pk, request_id)
    if call is None:
        raise Http404("no such call in this account")
    note_reading(request, CALLS.name, {"request_id": str(request_id)})
    _mask(account, [call])
    return render(request, "audit/_call.html" if request.htmx else "audit/call.html", {"call": call})


def _mask(account: Account, calls: Iterable[Call]) -> None:
    if mask := Mask.of(account):
        for call in calls:
            call.path, call.query = mask.hide(call.path), mask.hide(call.query)
