"""The API log: its pages and its export."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import SignedIn, needs
from accounts.models import Account
from accounts.permissions import Permission
from accounts.policy import has
from audit import selectors
from audit.exports import LOG, export_calls
from audit.filters import CallFilter, CallPageFilter
from audit.forms import ExportForm
from audit.models import Call
from audit.phones import Mask
from audit.views.reader import note_reading, own_account


@needs(Permission.LOG_SEE)
@require_safe
@vary_on_headers("HX-Request")
def log_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    calls = CallPageFilter(request.GET, selectors.calls(account.pk))
    template = "audit/_log.html" if request.htmx else "audit/log.html"
    context = {"filter": calls, "may_export": has(request.user, Permission.LOG_EXPORT)}
    if not calls.is_valid():
        return render(request, template, context, status=400)
    note_reading(request, LOG, calls.active)
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
    note_reading(request, LOG, {"request_id": str(request_id)})
    _mask(account, [call])
    return render(request, "audit/_call.html" if request.htmx else "audit/call.html", {"call": call})


@needs(Permission.LOG_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def log_export(request: SignedIn) -> HttpResponseBase:
    """GET shows the dialog for the filters in its address; POST is the file."""
    account = own_account(request)
    filters = (request.POST or request.GET).copy()
    for name in ("csrfmiddlewaretoken", "after", *ExportForm.base_fields):
        filters.pop(name, None)
    calls = CallFilter(filters, selectors.calls(account.pk))
    form = ExportForm(request.POST if request.method == "POST" else None)
    valid = calls.is_valid() and (not form.is_bound or form.is_valid())
    if not (valid and form.is_bound):
        template = "audit/_export.html" if request.htmx else "audit/export.html"
        return render(request, template, {"filter": calls, "form": form}, status=200 if valid else 400)
    name, content = export_calls(by=request.actor, account=account, calls=calls, bom=form.cleaned_data["bom"])
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    response["Cache-Control"] = "no-store"
    # Compressing would cost several times what making the file does; the header keeps the middleware from it.
    response["Content-Encoding"] = "identity"
    return response


def _mask(account: Account, calls: Iterable[Call]) -> None:
    if mask := Mask.of(account):
        for call in calls:
            call.path, call.query = mask.hide(call.path), mask.hide(call.query)
