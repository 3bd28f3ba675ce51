"""Forms of the import of entries into an IP list: upload or paste them, then confirm their preview."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from keys.ip_lists.entry_parser import MAX_BYTES, MAX_LINES, EntryTable, UnreadableEntries, parse_file, parse_text
from keys.ip_lists.forms import PLAIN, OptionalConfirmForm, WideRangeForm
from keys.ip_lists.importing import ImportPreview, build_preview
from keys.models import IpList
from keys.uploads import TooManyUploads, acquire_reader

EDITED_PREVIEW = "The entries were edited after their preview, so nothing was added yet. Review them again."
EXPIRED_PREVIEW = "This preview has expired. Preview the entries or upload the file again."


class UploadForm(forms.Form):
    """Entries to import: pasted, or a file."""

    text = forms.CharField(
        label="Paste entries",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={**PLAIN, "rows": 10, "placeholder": "203.0.113.0/24, Berlin office"}),
        help_text="One per line: an address or range, optionally followed by a comma and a description. Lines that "
        "begin with # are ignored.",
    )
    file = forms.FileField(
        label="Or upload a file",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
        help_text=f"CSV or XLSX with the columns network, description, enabled; at most {MAX_LINES:,} entries and "
        f"{MAX_BYTES // 1000:,} kB.",
    )
    # Set by clean(): what would be added to the list, and how the file was read.
    preview: ImportPreview
    note: str

    def __init__(self, *args: Any, ip_list: IpList, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ip_list = ip_list

    @classmethod
    def from_expired_preview(cls, ip_list: IpList, text: str) -> UploadForm:
        """Return a form of the pasted text, if any, with the error that the preview to confirm has expired."""
        form = cls({"text": text}, ip_list=ip_list)
        form.errors.clear()
        form.add_error(None, EXPIRED_PREVIEW)
        return form

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text, file = cleaned.get("text", ""), cleaned.get("file")
        if self.errors:
            return cleaned
        if file and text.strip():
            raise ValidationError("Paste entries or upload a file, not both.")
        try:
            with acquire_reader(self.ip_list.account_id) as throttle:
                table = _parse_upload(file) if file else parse_text(text)
                self.preview, self.note = build_preview(self.ip_list, table.rows, throttle), table.note
        except (UnreadableEntries, TooManyUploads) as problem:
            self.add_error("file" if file else "text", str(problem))
        return cleaned


def _parse_upload(file: UploadedFile) -> EntryTable:
    # One more byte shows that the file is too large, without reading all of it.
    return parse_file(file.read(MAX_BYTES + 1))


def _compute_digest(text: str) -> str:
    # Browsers send other ends of lines than they were given.
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()


class ImportForm(OptionalConfirmForm, WideRangeForm):
    """Confirm the import of a signed preview. `text` is what was pasted, to be corrected and previewed again."""

    text = forms.CharField(
        label="Pasted entries", required=False, strip=False, widget=forms.Textarea(attrs={**PLAIN, "rows": 10})
    )
    # Of the text that the preview shows.
    digest = forms.CharField(required=False, widget=forms.HiddenInput)
    shown = forms.CharField(widget=forms.HiddenInput)
    leave_out = forms.BooleanField(label="Skip the invalid lines and add the rest", required=False)

    @classmethod
    def from_preview(cls, signed_preview: str, text: str) -> ImportForm:
        """Return the form that confirms the signed preview of this text."""
        return cls(initial={"shown": signed_preview, "text": text, "digest": _compute_digest(text)})

    @staticmethod
    def confirms(data: Mapping[str, Any]) -> bool:
        """Return whether a preview is confirmed, and not to be made again."""
        return "shown" in data and "again" not in data

    @staticmethod
    def is_edited(data: Mapping[str, Any]) -> bool:
        """Return whether the text was edited after its preview, which is then no longer what would be added."""
        return "text" in data and data.get("digest") != _compute_digest(data["text"])

    def check(self, preview: ImportPreview) -> None:
        """Add errors unless invalid lines and wide networks of the preview are acknowledged."""
        if preview.wrong_count and not self.cleaned_data["leave_out"]:
            message = "Some lines are invalid. Select this to skip them, or correct them and import again."
            self.add_error("leave_out", message)
        self.warn(None, preview.warnings)
