"""The list of an account's digests, and the ZIP of those in a range."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from audit import digests
from audit.digests.filters import DigestFilter
from audit.models import Digest
from audit.trail.record_log_read import record_auditor_read
from core.authorization import has_permission
from core.lists import PAGE_SIZE
from core.page_guard import SignedIn, needs
from core.pages import own_account
from core.permissions import Permission

LOG = "digests"


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def digest_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    filters = DigestFilter(request.GET, digests.list_digests(account))
    template = "audit/digests/_list.html" if request.htmx else "audit/digests/list.html"
    if not filters.is_valid():
        return render(request, template, {"filter": filters}, status=400)
    record_auditor_read(request, LOG, filters.active)
    found = list(digests.filter_range(filters.qs, filters.since, filters.until)[: PAGE_SIZE + 1])
    rows = found[:PAGE_SIZE]
    context = {
        "filter": filters,
        "rows": [(digest, json.loads(digest.document)) for digest in rows],
        "after": rows[-1].number if len(found) > len(rows) else None,
        "may_export": has_permission(request.user, Permission.LOG_EXPORT),
    }
    return render(request, template, context)


@needs(Permission.LOG_EXPORT)
@require_safe
def digest_zip(request: SignedIn) -> HttpResponseBase:
    """Download the digests that pass the list's filters, with their index."""
    account = own_account(request)
    filters = DigestFilter(request.GET, Digest.objects.none())
    if not filters.is_valid():
        return render(request, "audit/digests/list.html", {"filter": filters}, status=400)
    record_auditor_read(request, LOG, filters.active)
    try:
        name, file = _build_zip(digests.build_files(account, filters.since, filters.until))
    except digests.NoDigests:
        filters.form.add_error(None, "There is no digest in this range. Digests are created hourly.")
        return render(request, "audit/digests/list.html", {"filter": filters}, status=422)
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response["Cache-Control"] = "no-store"
    return response


def _build_zip(files: Iterator[tuple[str, bytes]]) -> tuple[str, BytesIO]:
    """Return the name and content of a ZIP of the files, named after the last, which is the index. A year of digests is
    some megabytes."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    file.seek(0)
    return name.replace(".json", ".zip"), file
