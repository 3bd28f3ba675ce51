"""Support's pages of IP lists: view, export, and import entries."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import display
from django.core.signing import BadSignature
from django.db.models import Q, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.exports import FormatForm, render_form_page
from accounts.models import Account
from audit.exports.list_dialog import build_download
from core.admin import SupportAdmin, reject_unknown_parameters
from core.admin_tables import format_link
from core.page_guard import SignedIn
from core.permissions import Permission
from keys.ip_lists import services
from keys.ip_lists.exports import export_entries
from keys.ip_lists.filters import EntryFilter
from keys.ip_lists.import_forms import EDITED_PREVIEW, ImportForm, UploadForm
from keys.ip_lists.importing import ImportPreview, load_preview, sign_preview
from keys.ip_lists.selectors import with_counts
from keys.ip_lists.services import WIDEN
from keys.ip_lists.views.common import find_import_effect
from keys.key_settings import Invalid
from keys.models import IpList

MAX_ENTRIES_LISTED = 200
MAX_LINES_SHOWN = 100


class IpListAdmin(SupportAdmin):
    list_display = ("name", "account", "description", "created_at")
    list_select_related = ("account",)
    ordering = ("-pk",)
    search_fields = ("name",)
    search_help_text = "Search by the start of the list's name, or an account's slug."
    fields = ("name", "account_link", "description", "entry_count", "enabled_count", "key_count", "created_at")
    detail_template = "admin/keys/ip_list.html"
    empty_text = "Administrators of accounts add IP lists."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("account")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "account"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IpList], search_term: str
    ) -> tuple[QuerySet[IpList], bool]:
        text = search_term.strip()[:200]
        found = Q(name__istartswith=text) | Q(account__slug=text.lower())
        return (queryset.filter(found) if text else queryset), False

    def get_extra_urls(self) -> list[URLPattern]:
        return [
            path("<int:pk>/import/", self.import_view, name=self.get_url_name("import")),
            path("<int:pk>/export/", self.export_view, name=self.get_url_name("export")),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the list with its counts, which only its own page shows."""
        row = super().get_object(request, object_id, from_field)
        return row and with_counts(self.get_queryset(request)).get(pk=row.pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_row_or_404(request, object_id)
        entries = row.entries.order_by("network")[: MAX_ENTRIES_LISTED + 1]
        links = [("Export", reverse(f"admin:{self.get_url_name('export')}", args=[row.pk]))]
        if row.account.status == Account.Status.ACTIVE:
            links.insert(0, ("Import entries", reverse(f"admin:{self.get_url_name('import')}", args=[row.pk])))
        context = {
            "links": links,
            "entries": entries[:MAX_ENTRIES_LISTED],
            "more": row.entry_count - MAX_ENTRIES_LISTED,
        }
        return super().change_view(request, object_id, form_url, context)

    def export_view(self, request: SignedIn, pk: int) -> HttpResponse:
        row = self.get_row_or_404(request, str(pk))
        form = FormatForm(request.POST if request.method == "POST" else None)
        reject_unknown_parameters(request, form)
        if form.is_valid():
            entries = EntryFilter({}, row.entries.all())
            entries.is_valid()
            needs = Permission.ADMINISTRATION
            return build_download(
                *export_entries(by=request.actor, ip_list=row, entries=entries, needs=needs, **form.cleaned_data)
            )
        return self._render_form(request, form, row, "Export entries", "Export")

    def import_view(self, request: SignedIn, pk: int) -> HttpResponse:
        """Paste or upload entries, preview what would be added and what is invalid, then confirm the preview."""
        row = self.get_row_or_404(request, str(pk))
        if row.account.status != Account.Status.ACTIVE:
            messages.warning(request, f"{row.account} is {row.account.status}: its IP lists cannot be changed.")
            return redirect(self.get_page_url(row.pk))
        confirms = ImportForm.confirms(request.POST)
        edited = confirms and ImportForm.is_edited(request.POST)
        if confirms and not edited:
            return self._add_entries(request, row)
        form_data = (request.POST, request.FILES) if request.method == "POST" else ()
        form = UploadForm(*form_data, ip_list=row)
        if not form.is_valid():
            return self._render_form(request, form, row, "Import entries", "Preview")
        preview = form.preview
        signed_preview = sign_preview(row, request.user.pk, preview)
        again = self._prepare_import_form(
            request, row, preview, ImportForm.from_preview(signed_preview, form.cleaned_data["text"])
        )
        return self._render_preview(request, row, preview, again, note=EDITED_PREVIEW if edited else form.note)

    def _add_entries(self, request: SignedIn, row: Any) -> HttpResponse:
        try:
            preview = load_preview(row, request.user.pk, request.POST["shown"])
        except BadSignature:
            again = UploadForm.from_expired_preview(row, request.POST.get("text", ""))
            return self._render_form(request, again, row, "Import entries", "Preview")
        form = self._prepare_import_form(request, row, preview, ImportForm(request.POST))
        if form.is_valid():
            form.check(preview)
        by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
        if by is None:
            return self._render_preview(request, row, preview, form)
        try:
            count = services.add_entries(ip_list=row, entries=preview.entries, by=by)
        except IpList.DoesNotExist as gone:
            raise Http404("The IP list was deleted in the meantime.") from gone
        except Invalid as problem:
            form.add_service_errors(problem)
            return self._render_preview(request, row, preview, form)
        messages.success(request, f"{count:,} entr{'y is' if count == 1 else 'ies are'} added to {row}.")
        return redirect(self.get_page_url(row.pk))

    def _prepare_import_form(self, request: SignedIn, row: Any, preview: ImportPreview, form: ImportForm) -> ImportForm:
        """Return the form that confirms the preview; Support always confirms, and acknowledges warnings."""
        form.set_action(request.user, WIDEN, str(row.pk), services.get_list_target(row))
        # Passkeys need a script that only the portal's pages load.
        form.has_passkey = False
        form.fields["password"].required = True
        if not form["text"].value():
            del form.fields["text"]
        if not preview.wrong:
            del form.fields["leave_out"]
        if not preview.warnings:
            del form.fields["acknowledge_wide"]
        return form

    def _render_preview(
        self, request: SignedIn, row: Any, preview: ImportPreview, form: ImportForm, *, note: str = ""
    ) -> HttpResponse:
        context = {
            "title": f"Import entries: {row}",
            "form": form,
            "note": note,
            "preview": preview,
            "entries": preview.entries[:MAX_LINES_SHOWN],
            "more": len(preview.entries) - MAX_LINES_SHOWN,
            "button": f"Add {len(preview.entries):,} entr{'y' if len(preview.entries) == 1 else 'ies'}",
            "back": reverse(f"admin:{self.get_url_name('import')}", args=[row.pk]),
            "effect": find_import_effect(row, preview, request.POST, reverse("admin:audit_call_changelist")),
        }
        crumbs = [(str(row), self.get_page_url(row.pk))]
        return self.render(
            request, "admin/keys/ip_list_preview.html", context, crumbs=crumbs, status=422 if form.errors else 200
        )

    def _render_form(self, request: SignedIn, form: Form, row: IpList, title: str, button: str) -> HttpResponse:
        back = self.get_page_url(row.pk)
        return render_form_page(self, request, form, f"{title}: {row}", button, back, crumbs=[(str(row), back)])

    @display(description="Account")
    def account_link(self, row: IpList) -> SafeString:
        account = format_link("accounts_account_change", row.account, row.account_id)
        return format_html("{} ({})", account, row.account.status)

    @display(description="Entries")
    def entry_count(self, row: Any) -> int:
        return row.entry_count

    @display(description="Enabled entries")
    def enabled_count(self, row: Any) -> int:
        return row.live_count

    @display(description="Used by keys")
    def key_count(self, row: Any) -> int:
        return row.key_count
