"""Support's pages of APIs: download, edit or upload a document and a policy, preview the changes, confirm and save.

The preview shows changed lines and the effects on existing keys. Exactly what was previewed is saved.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import display
from django.core.signing import BadSignature
from django.db import IntegrityError
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts.admin.exports import render_form_page
from accounts.models import Account
from core.actor import Actor
from core.admin import SupportAdmin
from core.admin_tables import format_row_count
from core.page_guard import SignedIn
from keys import apis
from keys.apis.admin.buttons import Enable, SetRequestLink, describe_request_link
from keys.apis.admin.forms import TEXTS, ConfirmUploadForm, NewApiForm, PreviewedForm, UploadForm
from keys.apis.admin.upload import Upload
from keys.apis.difference import get_difference
from keys.apis.findings import format_warnings
from keys.apis.policy import Policy
from keys.apis.proposal import format_proposal
from keys.apis.proxy_support import format_proxy_advice
from keys.apis.rendering import get_file_name, render_document, render_policy
from keys.docs.documentation import get_documentation
from keys.models import Api, Key
from keys.selectors.proxy_contact import get_last_contacts
from keys.selectors.replay import replay_api
from keys.uploads import SUPPORT, TooManyUploads, acquire_reader
from keys.views.effects import ChangeEffect

MAX_ACCOUNTS_LISTED = 100
EXPIRED_PREVIEW = "This preview has expired. Upload the files or edit the text again."


class ApiAdmin(SupportAdmin):
    buttons = (SetRequestLink(), Enable())
    list_display = ("name", "slug", "created_at")
    ordering = ("name", "pk")
    search_fields = ("name__istartswith", "slug__istartswith")
    search_help_text = "Search by the start of the name or slug."
    fields = ("name", "slug", "version", "reached_at", "last_contact", "key_count", "accounts", "created_at")
    detail_template = "admin/keys/api.html"
    icon = "code-bracket"
    empty_text = "Add the first API with its OpenAPI document and a policy."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Api]:
        return super().get_queryset(request).defer("document")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return False

    def get_extra_urls(self) -> list[URLPattern]:
        return [
            path("new/", self.new_view, name=self.get_url_name("new")),
            path("<int:pk>/upload/", self.upload_view, name=self.get_url_name("upload")),
            path("<int:pk>/document/", require_safe(self.document_view), name=self.get_url_name("document")),
            path("<int:pk>/policy/", require_safe(self.policy_view), name=self.get_url_name("policy")),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        links = [("Add API", reverse(f"admin:{self.get_url_name('new')}"))]
        return super().changelist_view(request, {"links": links} | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        api = self.get_row_or_404(request, object_id)
        context = {
            "links": [("Change document or policy", self._get_file_url(api, "upload"))],
            "modules": api.modules.prefetch_related("routes").order_by("position", "pk"),
            "modules_called": Policy.from_data(api.policy).modules_called,
            "policy": render_policy(api.policy),
            "policy_url": self._get_file_url(api, "policy"),
            "document_url": self._get_file_url(api, "document"),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def document_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        api = self.get_row_or_404(request, str(pk))
        return _build_download(api, "openapi", render_document(api.document))

    def policy_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        api = self.get_row_or_404(request, str(pk))
        return _build_download(api, "policy", render_policy(api.policy))

    def new_view(self, request: SignedIn) -> HttpResponse:
        return self._edit(request, None)

    def upload_view(self, request: SignedIn, pk: int) -> HttpResponse:
        return self._edit(request, self.get_row_or_404(request, str(pk)))

    def _edit(self, request: SignedIn, api: Api | None) -> HttpResponse:
        """Show the form, or preview or save the upload. Parsing takes Support's place among the uploads."""
        if request.method != "POST":
            return self._render_form(request, _build_form(api), api)
        try:
            with acquire_reader(SUPPORT):
                if "shown" in request.POST:
                    return self._confirm_upload(request, api)
                form = (
                    UploadForm(request.POST, request.FILES, api=api) if api else NewApiForm(request.POST, request.FILES)
                )
                return (
                    self._render_difference(request, api, form.upload)
                    if form.is_valid()
                    else self._render_form(request, form, api)
                )
        except TooManyUploads as busy:
            # Return the input without parsing it.
            shown, slug = request.POST.get("shown"), request.POST.get("slug", "")
            texts = {name: request.POST[f"{name}_text"] for name in TEXTS if f"{name}_text" in request.POST}
            again = PreviewedForm(initial={"shown": shown}) if shown else _build_form(api, slug, texts)
            return self._render_form(request, again, api, str(busy))

    def _render_difference(self, request: SignedIn, api: Api | None, upload: Upload) -> HttpResponse:
        """Show the effects of the upload with a form that confirms it."""
        if api is not None:
            found = get_difference(api, upload.description)
            try:
                apis.require_compatible(api, upload.description, found.keys)
            except apis.IncompatibleChange as problem:
                return self._render_refusal(request, api, str(problem), upload)
            if not found.changes:
                messages.info(request, f"{api.name} is already up to date.")
                return redirect(self.get_page_url(api.pk))
            upload = upload._replace(previewed=found)
        try:
            form = ConfirmUploadForm(initial={"shown": upload.sign(request.user.pk)})
        except ValueError as problem:
            return self._render_refusal(request, api, str(problem), upload)
        effect = _find_effect(request, api, upload)
        form.ask_about(request.user, upload, is_severe=bool(effect and effect.is_severe))
        return self._render_preview(request, api, upload, form, effect)

    def _confirm_upload(self, request: SignedIn, api: Api | None) -> HttpResponse:
        try:
            upload = Upload.load(request.user.pk, request.POST["shown"], api)
        except BadSignature:
            return self._render_refusal(request, api, EXPIRED_PREVIEW)
        if "again" in request.POST:
            return self._render_form(request, _build_form(api, upload.slug, upload.texts), api)
        if "propose" in request.POST:
            return self._render_form(request, _build_form(api, upload.slug, upload.texts_with_proposal), api)
        try:
            upload.require_as_shown(request.user.pk, request.POST["shown"])
        except apis.EditConflict as problem:
            return self._render_refusal(request, api, f"{problem} Review it again.", upload)
        form = ConfirmUploadForm(request.POST)
        effect = _find_effect(request, api, upload)
        form.ask_about(request.user, upload, is_severe=bool(effect and effect.is_severe))
        by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
        if by is None:
            return self._render_preview(request, api, upload, form, effect)
        try:
            saved = _save_upload(api, upload, by)
        except (apis.IncompatibleChange, apis.EditConflict) as problem:
            return self._render_refusal(request, api, str(problem), upload)
        except IntegrityError:
            return self._render_refusal(
                request, api, f"An API named {upload.slug} has been added in the meantime.", upload
            )
        messages.success(request, f"{saved.name} is {'changed' if api else 'added. Next: enable it for an account'}.")
        return redirect(self.get_page_url(saved.pk))

    def _render_form(self, request: SignedIn, form: Form, api: Api | None, why: str = "") -> HttpResponse:
        title = f"Change document or policy: {api}" if api else "Add API"
        back = self.get_page_url(api.pk) if api else self.get_list_url()
        return render_form_page(self, request, form, title, "Preview", back, why, self._list_crumbs(api))

    def _render_refusal(
        self, request: SignedIn, api: Api | None, why: str, upload: Upload | None = None
    ) -> HttpResponse:
        """Show the form again with the upload and the reason."""
        return self._render_form(request, _rebuild_form(api, upload), api, why)

    def _render_preview(
        self, request: SignedIn, api: Api | None, upload: Upload, form: Form, effect: ChangeEffect | None
    ) -> HttpResponse:
        context = {
            "title": f"Change {api}" if api else f"Add {upload.description.name}",
            "api": api,
            "upload": upload,
            "lines": _list_changes(api, upload) if api else (),
            "effect": effect,
            "warned": format_warnings(upload.description.warnings.total),
            "proposal": format_proposal(upload.proposed, upload.description.modules),
            "proxy_advice": format_proxy_advice(upload.description.policy, upload.description.modules),
            "texts": upload.list_text_differences(api) if api else (),
            "form": form,
            "button": "Yes, change it" if api else "Yes, add it",
            "back": self.get_page_url(api.pk) if api else self.get_list_url(),
        }
        return self.render(
            request,
            "admin/keys/api_preview.html",
            context,
            crumbs=self._list_crumbs(api),
            status=422 if form.errors else 200,
        )

    def _list_crumbs(self, api: Api | None) -> list[tuple[str, str]]:
        return [(api.name, self.get_page_url(api.pk))] if api else []

    @display(description="Document")
    def version(self, api: Api) -> str:
        info = get_documentation(api).info
        return f"{info.get('title', '')}, version {info.get('version', '')}"

    def _get_file_url(self, api: Api, kind: str) -> str:
        return reverse(f"admin:{self.get_url_name(kind)}", args=[api.pk])

    @display(description="Request link")
    def reached_at(self, api: Api) -> str:
        return describe_request_link(api)

    @display(description="Proxy last heard from")
    def last_contact(self, api: Api) -> datetime | str:
        never = "Never. docs/gateways.md has the configuration of each proxy."
        return get_last_contacts([api.slug]).get(api.slug, never)

    @display(description="Keys")
    def key_count(self, api: Api) -> str:
        return format_row_count(Key.objects.filter(api=api, deleted_at=None))

    @display(description="Enabled for")
    def accounts(self, api: Api) -> SafeString | str:
        found = Account.objects.filter(enablements__api=api).order_by("slug")[: MAX_ACCOUNTS_LISTED + 1]
        links = [
            (reverse("admin:accounts_account_change", args=[account.pk]), account.slug)
            for account in found[:MAX_ACCOUNTS_LISTED]
        ]
        more = ", and more" if len(found) > MAX_ACCOUNTS_LISTED else ""
        return (
            format_html("{}{}", format_html_join(", ", '<a href="{}">{}</a>', links), more) if links else "No account"
        )


def _find_effect(request: SignedIn, api: Api | None, upload: Upload) -> ChangeEffect | None:
    """Replay the upload over the calls with all keys of the API; None for a new one."""
    if api is None:
        return None
    log = reverse("admin:audit_call_changelist")
    return ChangeEffect(replay_api(api, upload.description), "", request.POST, log=log)


def _list_changes(api: Api, upload: Upload) -> list[str]:
    if upload.previewed is None:
        return []
    lines = list(upload.previewed.format_lines())
    if api.request_link and "request_link" in upload.previewed.changes:
        lines.append(f"request_link: the API's own setting, {api.request_link}, stays in force")
    return lines


def _build_download(api: Api, kind: str, text: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    name = get_file_name(api.slug, kind, text)
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or ""
    response.headers["Cache-Control"] = "no-store"
    return response


def _build_form(api: Api | None, slug: str = "", texts: dict[str, str] | None = None) -> Form:
    return UploadForm(api=api, texts=texts) if api else NewApiForm(texts=texts, slug=slug)


def _rebuild_form(api: Api | None, upload: Upload | None) -> Form:
    return _build_form(api, upload.slug, upload.texts) if upload else _build_form(api)


def _save_upload(api: Api | None, upload: Upload, by: Actor) -> Api:
    if api is None:
        return apis.add(slug=upload.slug, description=upload.description, by=by)
    apis.update(api=api, description=upload.description, by=by, previewed=upload.previewed)
    return Api.objects.get(pk=api.pk)
