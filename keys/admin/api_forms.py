"""What Support fills in about an API, and what goes from the page that shows it to the one that saves it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any, NamedTuple, Self

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import slugify

from accounts.admin_exports import AccountField
from accounts.forms import ConfirmForm
from accounts.models import User
from keys.apis import ChangedMeanwhile, reading
from keys.apis.description import Description
from keys.apis.difference import Difference, difference
from keys.apis.document import BadDocument
from keys.apis.reading import Unreadable
from keys.apis.words import BadPolicy
from keys.models import Api

SECONDS = 3600
SALT = "keys.admin.apis"
# What a form may hold besides files is limited (DATA_UPLOAD_MAX_MEMORY_SIZE).
LARGEST = 2_000_000
TOO_LARGE = "This is too large for this page. Use manage.py import_api."


class Upload(NamedTuple):
    """An API as it was uploaded. `seen` is what Support was shown that it changes; None of a new one."""

    slug: str
    description: Description
    seen: Difference | None = None

    def signed(self, user_id: int) -> str:
        """For the form that confirms it: no one else's, and only for an hour. Raises ValueError if it is too large."""
        content = [self.slug, self.description.document, self.description.rules, self._fingerprint]
        text = signing.dumps(content, salt=f"{SALT} {user_id}", compress=True)
        if len(text) > LARGEST:
            raise ValueError(TOO_LARGE)
        return text

    @classmethod
    def unsigned(cls, user_id: int, text: str, api: Api | None) -> Self:
        """Raises BadSignature, or ChangedMeanwhile if it would change something else by now."""
        slug, document, rules, fingerprint = signing.loads(text, salt=f"{SALT} {user_id}", max_age=SECONDS)
        if (api.slug if api else None) != (slug if fingerprint else None):
            raise signing.BadSignature("it was shown for another API")
        description = Description.of(document, rules)
        upload = cls(slug, description, difference(api, description) if api else None)
        if api and upload._fingerprint != fingerprint:
            raise ChangedMeanwhile(f"{api.name} or its keys were changed in the meantime.")
        return upload

    @property
    def _fingerprint(self) -> str:
        """Of what was shown; empty of a new API."""
        return hashlib.sha256(json.dumps(asdict(self.seen)).encode()).hexdigest() if self.seen else ""


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
        self.ask(user, "api.change" if upload.seen else "api.add", upload.slug)
        # Its passkey needs a script of the portal's pages.
        self.has_passkey = False


class EnableForm(ConfirmForm):
    account = AccountField()
    field_order = ("account", "password", "passkey")

    def ask(self, user: User, action: str, target: str) -> None:
        """The consent is to this API for this account."""
        account = str(self.data.get(self.add_prefix("account"), "")).strip().lower()
        super().ask(user, action, f"{account}/{target}")


def _parsed(file: UploadedFile | None) -> Any:
    if file is None:
        return None
    try:
        # One byte more tells that there is too much, without reading it all.
        return reading.parsed(file.read(reading.MOST_BYTES + 1))
    except Unreadable as problem:
        raise ValidationError(str(problem)) from problem
