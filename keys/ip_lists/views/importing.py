"""Import entries: paste or upload, preview what would be added and what is invalid, then add exactly that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.signing import BadSignature
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from core.page_guard import SignedIn, needs
from core.pages import get_form_status, render_page
from core.permissions import Permission
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.import_forms import EDITED_PREVIEW, ImportForm, UploadForm
from keys.ip_lists.importing import ImportPreview, load_preview, sign_preview
from keys.ip_lists.services import WIDEN
from keys.ip_lists.views.common import (
    find_import_effect,
    get_ip_list_to_change_or_404,
    needs_confirmation,
    run_service,
)

if TYPE_CHECKING:
    from keys.ip_lists.selectors import CountedList

MAX_LINES_SHOWN = 100


@needs(Permission.IP_LISTS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def ip_list_import(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = get_ip_list_to_change_or_404(request, pk)
    confirms = ImportForm.confirms(request.POST)
    edited = confirms and ImportForm.is_edited(request.POST)
    if confirms and not edited:
        return _add_entries(request, ip_list)
    form_data = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*form_data, ip_list=ip_list)
    if not form.is_valid():
        return render_page(
            request, "keys/ip_lists/import", {"ip_list": ip_list, "form": form}, get_form_status(request)
        )
    signed_preview = sign_preview(ip_list, request.user.pk, form.preview)
    again = ImportForm.from_preview(signed_preview, form.cleaned_data["text"])
    again.set_action(request.user, WIDEN, str(pk), ip_lists_services.get_list_target(ip_list))
    return _render_preview(request, ip_list, form.preview, again, note=EDITED_PREVIEW if edited else form.note)


def _add_entries(request: SignedIn, ip_list: CountedList) -> HttpResponse:
    try:
        preview = load_preview(ip_list, request.user.pk, request.POST["shown"])
    except BadSignature:
        again = UploadForm.from_expired_preview(ip_list, request.POST.get("text", ""))
        return render_page(request, "keys/ip_lists/import", {"ip_list": ip_list, "form": again}, 422)
    form = ImportForm(request.POST)
    form.set_action(request.user, WIDEN, str(ip_list.pk), ip_lists_services.get_list_target(ip_list))
    if form.is_valid():
        form.check(preview)
    if form.is_valid() and run_service(
        request, form, lambda by: ip_lists_services.add_entries(ip_list=ip_list, entries=preview.entries, by=by)
    ):
        count = len(preview.entries)
        messages.success(request, f"{count:,} entr{'y is' if count == 1 else 'ies are'} added.")
        return redirect("ip-list-detail", ip_list.pk)
    return _render_preview(request, ip_list, preview, form, status=422)


def _render_preview(
    request: SignedIn,
    ip_list: CountedList,
    preview: ImportPreview,
    form: ImportForm,
    *,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "ip_list": ip_list,
        "form": form,
        "note": note,
        "preview": preview,
        "entries": preview.entries[:MAX_LINES_SHOWN],
        "more": len(preview.entries) - MAX_LINES_SHOWN,
        "effect": find_import_effect(ip_list, preview, request.POST),
        "ask": needs_confirmation(form, ip_list.key_count and any(entry.enabled for entry in preview.entries)),
    }
    return render_page(request, "keys/ip_lists/preview", context, status)
