"""The export dialogs of both logs, their files, and the manifests of all exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from audit.calls import charts, rollups
from audit.calls.filters import CallFilter
from audit.calls.views import filter_calls
from audit.exports import (
    CellTooLong,
    Export,
    FinishedExport,
    TooManyExports,
    TooManyRows,
    build_manifest_name,
    find_export,
    format_manifest,
    list_recent_exports,
    start_export,
)
from audit.exports.columns import CALLS, EVENTS, ExportTable
from audit.exports.formats import FORMATS
from audit.exports.forms import ExportForm
from audit.exports.xlsx import MAX_ROWS
from audit.trail.filters import EventFilter
from audit.trail.selectors import list_trail_events
from core.accounts import Account
from core.filters.time_range import LogFilter
from core.lists import merge_filters
from core.page_guard import SignedIn, needs
from core.pages import own_account
from core.permissions import Permission

# A client that reads nothing for so long is gone.
STALLED_SECONDS = 60
ZIP = "application/zip"
# Fields of a request to export that are no filters of the page.
NOT_FILTERS = ("csrfmiddlewaretoken", "after", "start", *ExportForm.base_fields)
# The average size of a call's row in CSV.
ROW_BYTES = 280


@dataclass(frozen=True)
class LogSource:
    """One of the two logs: its columns, its filters, and the URL names of its page and its dialog."""

    table: ExportTable
    filters: Callable[[QueryDict, Account], LogFilter]
    page: str  # URL names
    url: str


def _filter_calls(data: QueryDict, account: Account) -> LogFilter:
    return filter_calls(CallFilter, data, account)


def _filter_events(data: QueryDict, account: Account) -> LogFilter:
    return EventFilter(data, list_trail_events(account.pk))


LOG = LogSource(CALLS, _filter_calls, "log-list", "log-export")
TRAIL = LogSource(EVENTS, _filter_events, "trail-list", "trail-export")


def _render_export(request: SignedIn, source: LogSource) -> HttpResponseBase:
    """Return the dialog for the filters in the URL, or on a valid POST the file."""
    account = own_account(request)
    filters = source.filters(merge_filters(request.GET, request.POST, but=NOT_FILTERS), account)
    form = ExportForm(request.POST if request.method == "POST" else None)
    context = {"filter": filters, "form": form, "source": source}
    status = 400
    if filters.is_valid() and (not form.is_bound or form.is_valid()):
        status = 200
        context |= _estimate_size(account, filters) if source is LOG else {}
        context["recent"] = list_recent_exports(
            account.pk, str(request.user.pk), "export.finished", subject=source.table.name
        )
        if form.is_bound:
            try:
                name, content = start_export(
                    by=request.actor, account=account, table=source.table, filters=filters, **form.get_options()
                )
                content_type = ZIP if form.cleaned_data["zip"] else FORMATS[form.cleaned_data["format"]][1]
                return _stream_download(request, name, content, content_type)
            except TooManyExports:
                form.add_error(None, "Several exports are already running. Try again when one of them has finished.")
                status = 503
            except TooManyRows:
                form.add_error(
                    "format", f"There are more than {MAX_ROWS:,} rows, the maximum for XLSX. Export as CSV instead."
                )
                status = 422
            except CellTooLong:
                form.add_error("format", "A cell is too long for XLSX. Export as CSV instead.")
                status = 422
    template = "audit/exports/_export.html" if request.htmx else "audit/exports/export.html"
    return render(request, template, context, status=status)


def _estimate_size(account: Account, filters: LogFilter) -> dict[str, object]:
    """Return the context about the export's size, estimated from rollups."""
    narrowed, uncounted = charts.split_filters(filters)
    about = rollups.estimate_rows(account_id=account.pk, since=filters.since, until=filters.until, **narrowed)
    return {"about": about, "size": (about or 0) * ROW_BYTES, "uncounted": uncounted}


def _stream_download(request: SignedIn, name: str, content: Export, content_type: str) -> StreamingHttpResponse:
    if socket := request.META.get("gunicorn.socket"):
        socket.settimeout(STALLED_SECONDS)
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    response["Cache-Control"] = "no-store"
    # Compression would cost several times as much as the export; this header prevents it in the middleware.
    response["Content-Encoding"] = "identity"
    return response


@needs(Permission.LOG_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def log_export(request: SignedIn) -> HttpResponseBase:
    return _render_export(request, LOG)


@needs(Permission.LOG_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def trail_export(request: SignedIn) -> HttpResponseBase:
    return _render_export(request, TRAIL)


@needs(Permission.LOG_EXPORT)
@require_safe
def export_manifest(request: SignedIn, number: int) -> HttpResponse:
    """Download the signed manifest of the account's export with this number, of a log or a list."""
    return build_manifest_download(find_export(own_account(request).pk, number))


def build_manifest_download(export: FinishedExport | None) -> HttpResponse:
    """Return the manifest as a download. Raise Http404 if there is no such export."""
    if export is None:
        raise Http404("no such export was finished in this account")
    response = HttpResponse(format_manifest(export), content_type="application/json")
    name = build_manifest_name(export.started)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    response["Cache-Control"] = "no-store"
    return response
