"""Forms of Support's pages of APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from accounts.admin.exports import AccountField
from accounts.forms.confirm import ConfirmForm
from accounts.models import User
from audit.trail.events import Target
from keys.apis import yaml_loader
from keys.apis.admin.upload import Upload
from keys.apis.description import BadDescription, Description, find_error
from keys.apis.file_limits import MAX_BYTES, UnreadableFile
from keys.apis.findings import FaultyFile
from keys.apis.policy_parsing import BadPolicy
from keys.apis.rendering import render_document, render_policy
from keys.apis.request_link import find_request_link_problem
from keys.models import Api

# A larger document is not shown in the form; it is replaced by uploading a file.
MAX_TEXT_CHARACTERS = 500_000
TEXTS = ("document", "policy")


def _build_text_field(label: str) -> forms.CharField:
    attrs = {"rows": 24, "spellcheck": "false", "autocapitalize": "off", "class": "vLargeTextField code"}
    return forms.CharField(label=label, required=False, strip=False, widget=forms.Textarea(attrs=attrs))


class DocumentsForm(forms.Form):
    """Base form: a document and a policy, each as a file or as text."""

    document = forms.FileField(
        label="OpenAPI document (file)", required=False, help_text="OpenAPI 3.0 or 3.1, YAML or JSON."
    )
    document_text = _build_text_field("OpenAPI document (text)")
    policy = forms.FileField(label="Policy (file)", required=False, help_text="YAML or JSON.")
    policy_text = _build_text_field("Policy (text)")
    # The initial texts, to tell whether one was edited.
    texts: dict[str, str]
    upload: Upload

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The texts that the values were parsed from, for line numbers in errors.
        self.sources: dict[str, str] = {}

    def read_value(self, name: str) -> Any:
        """Return the parsed file or text, or None if neither was given. Add an error if it cannot be parsed."""
        file, typed = self.cleaned_data.get(name), _normalize_line_ends(self.cleaned_data.get(f"{name}_text", ""))
        changed = bool(typed.strip()) and typed.strip() != self.texts.get(name, "").strip()
        if file is not None and changed:
            self.add_error(name, "Upload a file or edit the text, not both.")
        if file is None and not changed:
            return None
        try:
            # One more byte shows that the file is too large, without reading all of it.
            content = typed.encode() if file is None else file.read(MAX_BYTES + 1)
            self.sources[name] = yaml_loader.decode(content)
            return yaml_loader.parse(self.sources[name])
        except UnreadableFile as problem:
            self.add_error(name if file is not None else f"{name}_text", ValidationError(str(problem).splitlines()))
            return None

    def build_upload(self, slug: str, document: Any, policy: Any) -> None:
        """Set `upload`, or add the errors of document and policy to their fields."""
        sources = self.texts | self.sources
        try:
            description = Description.from_data(
                document, policy, text=sources.get("document"), rules_text=sources.get("policy")
            )
            self.upload = Upload(slug, description)
        except BadDescription as both:
            self.add_file_errors(both.errors)
        except FaultyFile as error:
            self.add_file_errors({"policy" if isinstance(error, BadPolicy) else "document": error})

    def add_file_errors(self, errors: Mapping[str, ValueError]) -> None:
        for name, error in errors.items():
            self.add_error(self._get_field_name(name), ValidationError(str(error).splitlines()))

    def check_alone(self, values: Mapping[str, Any]) -> None:
        """Add the errors of each value by itself, because another field has an error."""
        for name, value in values.items():
            if value is not None and not {name, f"{name}_text"} & set(self.errors):
                self.add_file_errors(find_error(name, value, self.sources.get(name)))

    def _get_field_name(self, name: str) -> str:
        return name if self.cleaned_data.get(name) is not None else f"{name}_text"


class NewApiForm(DocumentsForm):
    slug = forms.CharField(label="Slug", max_length=64, help_text="The name in URLs, such as billing.")
    field_order = ("slug", "document", "document_text", "policy", "policy_text")

    def __init__(self, data: Any = None, files: Any = None, *, texts: dict[str, str] | None = None, slug: str = ""):
        super().__init__(data, files, initial={"slug": slug} | _build_initial(texts or {}))
        self.texts = {}

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug != slugify(slug):
            raise ValidationError(
                f'"{slug}" is not a valid slug. Use lowercase letters, digits and hyphens, such as billing.'
            )
        if Api.objects.filter(slug=slug).exists():
            raise ValidationError(f"An API named {slug} already exists. Open it to change it, or choose another name.")
        return slug

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        document, policy = self.read_value("document"), self.read_value("policy")
        for name, found, label in (("document", document, "document"), ("policy", policy, "policy")):
            if found is None and not {name, f"{name}_text"} & set(self.errors):
                self.add_error(name, f"Choose a file, or enter the {label} below.")
        if self.errors.keys() - {"slug"}:
            self.check_alone({"document": document, "policy": policy})
        else:
            self.build_upload(cleaned.get("slug", ""), document, policy)
        return cleaned


class UploadForm(DocumentsForm):
    """Edit the present document and policy, or replace them by files. An unchanged part is kept."""

    def __init__(self, data: Any = None, files: Any = None, *, api: Api, texts: dict[str, str] | None = None) -> None:
        self.texts = {"document": render_document(api.document), "policy": render_policy(api.policy)}
        super().__init__(data, files, initial=_build_initial(self.texts | (texts or {})))
        self.api = api
        for name in TEXTS:
            self.fields[name].help_text += " Without a file, the text below is used."
        if len(self.texts["document"]) > MAX_TEXT_CHARACTERS:
            del self.fields["document_text"]
            self.fields[
                "document"
            ].help_text = "It is too large to edit here. Download it, edit it and upload it again."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        document, policy = self.read_value("document"), self.read_value("policy")
        if self.errors:
            self.check_alone({"document": document, "policy": policy})
            return cleaned
        if document is None and policy is None:
            raise ValidationError("Nothing has changed. Edit a text, or choose a file.")
        self.build_upload(
            self.api.slug,
            self.api.document if document is None else document,
            self.api.policy if policy is None else policy,
        )
        return cleaned

    def _get_field_name(self, name: str) -> str:
        place = super()._get_field_name(name)
        return place if place in self.fields else name


class PreviewedForm(forms.Form):
    """Send the signed preview again; the next response asks for the password."""

    shown = forms.CharField(widget=forms.HiddenInput)


class ConfirmUploadForm(ConfirmForm):
    shown = forms.CharField(widget=forms.HiddenInput)
    refuses = forms.BooleanField(
        label="Yes, refuse these calls",
        error_messages={"required": "Select this to refuse the calls above, or change the policy."},
    )
    field_order = ("shown", "refuses", "password", "passkey")

    def ask_about(self, user: User, upload: Upload, *, is_severe: bool) -> None:
        """Set what is confirmed; only a change that stops keys or locks out who used them last has a box of its own."""
        if not is_severe:
            del self.fields["refuses"]
        about = Target("api", upload.slug, upload.description.name)
        self.set_action(user, "api.change" if upload.previewed else "api.add", upload.slug, about)
        # Passkeys need a script that only the portal's pages load.
        self.has_passkey = False


class EnableForm(ConfirmForm):
    account = AccountField()
    field_order = ("account", "password", "passkey")

    def set_action(self, user: User, action: str, target: str, about: Target) -> None:
        """Bind the confirmation to this API and this account."""
        account = str(self.data.get(self.add_prefix("account"), "")).strip().lower()
        super().set_action(user, action, f"{account}/{target}", about)


class RequestLinkForm(ConfirmForm):
    link = forms.CharField(
        label="Request link",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=(
            "Scheme and host, for example https://api.example.com. Leave empty"
            " to use the value from the policy or document."
        ),
    )
    field_order = ("link", "password", "passkey")

    def clean_link(self) -> str:
        link = self.cleaned_data["link"].rstrip("/")
        if link and (problem := find_request_link_problem(link)):
            raise ValidationError(f'"{link}" {problem}')
        return str(link)


def _build_initial(texts: dict[str, str]) -> dict[str, str]:
    return {f"{name}_text": text for name, text in texts.items()}


def _normalize_line_ends(text: str) -> str:
    """Undo the CRLF line ends of form submissions."""
    return text.replace("\r\n", "\n")
