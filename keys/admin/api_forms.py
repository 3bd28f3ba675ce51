"""What Support fills in about an API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import slugify

from accounts.admin_exports import AccountField
from accounts.forms import ConfirmForm
from accounts.models import User
from audit.events import Target
from keys.admin.upload import Upload
from keys.apis import reading
from keys.apis.description import Description
from keys.apis.document import BadDocument
from keys.apis.reading import Unreadable
from keys.apis.words import BadPolicy
from keys.models import Api


class Documents(forms.Form):
    document = forms.FileField(label="OpenAPI document", help_text="OpenAPI 3.0 or 3.1, YAML or JSON.")
    policy = forms.FileField(label="Policy", help_text="YAML or JSON.")
    upload: Upload

    def clean_document(self) -> Any:
        return _parsed(self.cleaned_data["document"])

    def clean_policy(self) -> Any:
        return _parsed(self.cleaned_data["policy"])

    def described(self, slug: str, document: Any, policy: Any) -> None:
        try:
            self.upload = Upload(slug, Description.of(document, policy))
        except BadDocument as problem:
            self.add_error("document", str(problem))
        except BadPolicy as problem:
            self.add_error("policy", str(problem))


class NewApiForm(Documents):
    slug = forms.CharField(label="Short name", max_length=64, help_text="For addresses, such as billing.")
    field_order = ("slug", "document", "policy")

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug != slugify(slug):
            raise ValidationError(f"“{slug}” is not small letters, digits and hyphens, such as billing.")
        if Api.objects.filter(slug=slug).exists():
            raise ValidationError(f"There is an API {slug} already. Open it to change it, or choose another name.")
        return slug

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self.described(cleaned["slug"], cleaned["document"], cleaned["policy"])
        return cleaned


class UploadForm(Documents):
    """What is not uploaded stays as it is."""

    def __init__(self, *args: Any, api: Api, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.api = api
        for field in self.fields.values():
            field.required = False
            field.help_text += " Without a file it stays as it is."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        document, policy = cleaned["document"], cleaned["policy"]
        if document is None and policy is None:
            raise ValidationError("Choose a document, a policy, or both.")
        self.described(
            self.api.slug,
            self.api.document if document is None else document,
            self.api.policy if policy is None else policy,
        )
        return cleaned


class ConfirmUploadForm(ConfirmForm):
    shown = forms.CharField(widget=forms.HiddenInput)

    def asks(self, user: User, upload: Upload) -> None:
        about = Target("api", upload.slug, upload.description.name)
        self.ask(user, "api.change" if upload.seen else "api.add", upload.slug, about)
        # Its passkey needs a script of the portal's pages.
        self.has_passkey = False


class EnableForm(ConfirmForm):
    account = AccountField()
    field_order = ("account", "password", "passkey")

    def ask(self, user: User, action: str, target: str, about: Target) -> None:
        """The consent is to this API for this account."""
        account = str(self.data.get(self.add_prefix("account"), "")).strip().lower()
        super().ask(user, action, f"{account}/{target}", about)


def _parsed(file: UploadedFile | None) -> Any:
    if file is None:
        return None
    try:
        # One byte more tells that there is too much, without reading it all.
        return reading.parsed(file.read(reading.MOST_BYTES + 1))
    except Unreadable as problem:
        raise ValidationError(str(problem)) from problem
