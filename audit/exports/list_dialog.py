"""The export dialog of a list (keys, users, IP lists and their entries)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header

from audit.exports import list_recent_exports
from audit.exports.forms import ListExportForm
from core.lists import ListFilter
from core.page_guard import SignedIn
from core.spreadsheets import CONTENT_TYPES

# Fields of a request to export that are no filters of the list.
NOT_FILTERS = ("csrfmiddlewaretoken", "page", "after", "before", "start", *ListExportForm.base_fields)


@dataclass(frozen=True, slots=True)
class ListDialog:
    """The texts of the dialog. `event` is the event of the export; `rows` names what the rows are; `back` is the list's
    URL; `ip_list` is the primary key of the IP list whose entries are exported, otherwise empty."""

    event: str
    title: str
    rows: str
    back: str
    note: str = ""
    ip_list: str = ""


def render_list_export(
    request: SignedIn,
    dialog: ListDialog,
    filters: ListFilter,
    make: Callable[..., tuple[str, bytes]],
    refusals: tuple[type[Exception], ...] = (),
) -> HttpResponse:
    """Return the dialog, or on a valid POST the file: `make` is called with the form's `format` and `zip` and returns
    its name and content. Its `refusals` are shown in the form."""
    form = ListExportForm(request.POST if request.method == "POST" else None)
    status = 400
    if filters.is_valid():
        status = 422 if form.is_bound else 200
        if form.is_bound and form.is_valid():
            try:
                return build_download(*make(**form.get_options()))
            except refusals as problem:
                form.add_error(None, str(problem))
    context = {"dialog": dialog, "filter": filters, "form": form, "title": dialog.title}
    account = request.user.account_id
    if status != 400 and account is not None:
        context["recent"] = list_recent_exports(account, str(request.user.pk), dialog.event, subject=dialog.ip_list)
    fragment = "components/list_export.html"
    response = render(
        request, fragment if request.htmx else "dialog.html", context | {"fragment": fragment}, None, status
    )
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response


def build_download(name: str, content: bytes) -> HttpResponse:
    """Return the content as a download that is not cached."""
    response = HttpResponse(content, content_type=CONTENT_TYPES[name.rpartition(".")[2]])
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or ""
    response.headers["Cache-Control"] = "no-store"
    return response
