"""Export pages of Support's administration: one account's rows as CSV or XLSX, with the columns of the portal's
exports.

The pages of django-import-export are not used: their script violates the content security policy, and they look up the
selected rows in the whole table.
"""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from accounts.models import Account
from audit.exports.forms import ManifestField
from audit.exports.list_dialog import build_download
from core.actor import Actor
from core.admin import Crumbs, SupportAdmin, reject_unknown_parameters
from core.page_guard import SignedIn
from core.spreadsheets import FORMATS


class AccountField(forms.CharField):
    """An account, typed as its slug: a drop-down of all accounts could be long."""

    def __init__(self) -> None:
        super().__init__(
            label="Account",
            max_length=64,
            widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
            help_text="The account's slug, for example acme.",
        )

    def clean(self, value: object) -> Account:
        slug = super().clean(value)
        account = Account.objects.filter(slug=slug.lower()).first()
        if account is None:
            raise ValidationError(f'There is no account "{slug}". Enter its slug from the list of accounts.')
        return account


class FormatForm(forms.Form):
    format = forms.ChoiceField(choices=[(name, name.upper()) for name in FORMATS])
    zip = ManifestField()


class AccountFormatForm(FormatForm):
    account = AccountField()
    field_order = ("account", "format", "zip")


class ExportAdmin(SupportAdmin):
    """A list with a page that exports one account's rows."""

    # The rows of the file, in words.
    export_of = ""
    # Exceptions of the service that are shown as errors of the form.
    export_refusals: tuple[type[Exception], ...] = ()

    def build_file(self, account: Account, by: Actor, *, format: str, zip: bool) -> tuple[str, bytes]:
        """Return the name and content of the file, by a service that records the export."""
        raise NotImplementedError

    def get_extra_urls(self) -> list[URLPattern]:
        return [path("export/", self.export_view, name=self.get_url_name("export")), *super().get_extra_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        links = [(f"Export {self.export_of}", reverse(f"admin:{self.get_url_name('export')}"))]
        return super().changelist_view(request, {"links": links} | (extra_context or {}))

    def export_view(self, request: SignedIn) -> HttpResponse:
        posted = request.method == "POST"
        form = AccountFormatForm(request.POST if posted else None, initial={"account": request.GET.get("account", "")})
        reject_unknown_parameters(request, form)
        if form.is_valid():
            try:
                options = dict(form.cleaned_data)
                return build_download(*self.build_file(options.pop("account"), request.actor, **options))
            except self.export_refusals as problem:
                form.add_error(None, str(problem))
        return render_form_page(self, request, form, f"Export {self.export_of}", "Export", self.get_list_url())


def render_form_page(
    admin: SupportAdmin,
    request: HttpRequest,
    form: forms.Form,
    title: str,
    button: str,
    back: str,
    why: str = "",
    crumbs: Crumbs = (),
) -> HttpResponse:
    """Return a page that consists of one form. `why` is the service's error, for a form without errors of its own."""
    context = {"title": title, "form": form, "button": button, "back": back, "why": why}
    return admin.render(request, "admin/form.html", context, crumbs=crumbs, status=422 if form.errors or why else 200)
