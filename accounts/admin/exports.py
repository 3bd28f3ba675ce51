"""Support's files: what one account has, as CSV or XLSX, by the tables that the portal's own exports use.

The library's own pages for this are not used: their script breaks the content security policy, and what is ticked in a
list they look up among all rows of the table.
"""

from __future__ import annotations

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import ValidationError
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from accounts.models import Account
from audit.exports.forms import ManifestField
from audit.exports.list_dialog import build_download
from core.actor import Actor
from core.admin import SupportAdmin, reject_unknown_parameters
from core.page_guard import SignedIn
from core.spreadsheets import FORMATS


class AccountField(forms.CharField):
    """An account by its short name: a list to choose from would be long."""

    def __init__(self) -> None:
        super().__init__(
            label="Account",
            max_length=64,
            widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
            help_text="The account’s short name, for example acme.",
        )

    def clean(self, value: object) -> Account:
        slug = super().clean(value)
        account = Account.objects.filter(slug=slug.lower()).first()
        if account is None:
            raise ValidationError(f"There is no account “{slug}”. Enter the short name from the list of accounts.")
        return account


class FormatForm(forms.Form):
    format = forms.ChoiceField(choices=[(name, name.upper()) for name in FORMATS])
    zip = ManifestField()


class AccountFormatForm(FormatForm):
    account = AccountField()
    field_order = ("account", "format", "zip")


class ExportAdmin(SupportAdmin):
    """A list with a page that makes a file of what one account has."""

    change_list_template = "admin/exported_list.html"
    # What the file is of, in words.
    export_of = ""
    # Of what the domain refuses: told at the form.
    export_refusals: tuple[type[Exception], ...] = ()

    def build_file(self, account: Account, by: Actor, *, format: str, zip: bool) -> tuple[str, bytes]:
        """Name and content, by a service that records it."""
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
                asked = dict(form.cleaned_data)
                return build_download(*self.build_file(asked.pop("account"), request.actor, **asked))
            except self.export_refusals as problem:
                form.add_error(None, str(problem))
        back = reverse(f"admin:{self.get_url_name('changelist')}")
        return render_form_page(self, request, form, f"Export {self.export_of}", "Export", back)


def render_form_page(
    admin: ModelAdmin, request: HttpRequest, form: forms.Form, title: str, button: str, back: str, why: str = ""
) -> HttpResponse:
    """Return a page that is one form. `why` says what was refused, where a form without errors comes back."""
    context = admin.admin_site.each_context(request) | {
        "title": title,
        "form": form,
        "button": button,
        "back": back,
        "why": why,
        "opts": admin.opts,
        "media": Media(),
    }
    return render(request, "admin/form.html", context, status=422 if form.errors or why else 200)
