"""Forms of IP lists. They parse input; keys.ip_lists.entries validates it, for services too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.forms.users import ServiceErrorForm
from accounts.models import Account
from keys.decision.addresses import (
    EXAMPLES,
    BadAddress,
    Network,
    format_network,
    get_width_warning,
    parse_network,
    split_networks,
)
from keys.ip_lists.entries import (
    MAX_ENTRY_DESCRIPTION_LENGTH,
    MAX_LIST_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
    Entry,
    find_text_problem,
    format_duplicate,
)
from keys.ip_lists.entry_parser import MAX_BYTES, MAX_LINES, EntryTable, UnreadableEntries, parse_file, parse_text
from keys.ip_lists.importing import DescriptionWidget, ImportPreview, build_preview
from keys.ip_lists.selectors import find_name_problem
from keys.models import IpList, IpListEntry
from keys.uploads import TooManyUploads, acquire_reader

ENTRIES_HELP = f"Addresses or ranges, such as {EXAMPLES}. Optionally add a description after #."
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class OptionalConfirmForm(ServiceErrorForm, ConfirmForm):
    """Base form that asks for a confirmation only if the change allows more addresses."""

    password = PasswordField(required=False)


class AddKeysForm(forms.Form):
    """Choose keys, by API ID, that an IP list is added to; the form of the keys' addresses follows."""

    key = forms.MultipleChoiceField(label="Keys")


class WideRangeForm(forms.Form):
    """Base form that asks for an acknowledgement of very wide networks."""

    acknowledge_wide = forms.BooleanField(label="I understand, add it anyway", required=False)
    wide = False

    def warn(self, field: str | None, warnings: list[str]) -> None:
        self.wide = bool(warnings)
        if warnings and not self.cleaned_data.get("acknowledge_wide"):
            self.add_error(
                field, [f"{warning} Select “I understand, add it anyway” to continue." for warning in warnings]
            )


class LineField(forms.CharField):
    """A line of text, as the service accepts it."""

    def __init__(self, max_length: int, *, required: bool = False) -> None:
        super().__init__(max_length=max_length, required=required)
        self.longest = max_length

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        if problem := find_text_problem(text, self.longest):
            raise ValidationError(problem)
        return text


class NetworkField(forms.CharField):
    """A network. A comment after # is no part of it: EntryForm reads it as the description."""

    def __init__(self) -> None:
        super().__init__(
            label="Address or range",
            max_length=100 + MAX_ENTRY_DESCRIPTION_LENGTH,
            widget=forms.TextInput(attrs={**PLAIN, "data-network": ""}),
            help_text=f"Such as {EXAMPLES}.",
        )

    def clean(self, value: Any) -> Network:
        try:
            return parse_network(super().clean(value).partition("#")[0].strip())
        except BadAddress as problem:
            raise ValidationError(str(problem)) from None


class EntriesField(forms.CharField):
    """Entries, one a line with a description after #; networks on the same line share it. Cleans to a tuple of
    Entry."""

    widget = forms.Textarea(attrs={**PLAIN, "rows": 4, "data-descriptions": ""})

    def to_python(self, value: Any) -> Any:
        entries: dict[Network, Entry] = {}
        problems = []
        for text, description in split_networks(str(super().to_python(value))):
            try:
                entry = Entry(parse_network(text), DescriptionWidget().clean(description))
            except ValueError as problem:
                problems.append(str(problem))
            else:
                if description or entry.network not in entries:
                    entries[entry.network] = entry
        if problems:
            raise ValidationError(problems)
        return tuple(entries.values())

    def validate(self, value: Any) -> None:
        return


class IpListForm(ServiceErrorForm):
    name = LineField(MAX_NAME_LENGTH, required=True)
    description = LineField(MAX_LIST_DESCRIPTION_LENGTH)

    def __init__(self, *args: Any, account: Account, ip_list: IpList | None = None, **kwargs: Any) -> None:
        """`ip_list` is the one that is edited."""
        super().__init__(*args, **kwargs)
        self.account, self.ip_list = account, ip_list

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if problem := find_name_problem(self.account, name, self.ip_list):
            raise ValidationError(problem)
        return name


class NewIpListForm(IpListForm, WideRangeForm):
    addresses = EntriesField(
        label="Entries", required=False, help_text=f"{ENTRIES_HELP} You can add or import more later."
    )
    field_order = ("name", "description", "addresses", "acknowledge_wide")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.warn(
            "addresses", [text for entry in cleaned.get("addresses", ()) if (text := get_width_warning(entry.network))]
        )
        return cleaned


class EditIpListForm(IpListForm):
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)


class EntryForm(OptionalConfirmForm, WideRangeForm):
    network = NetworkField()
    description = LineField(MAX_ENTRY_DESCRIPTION_LENGTH)
    enabled = forms.BooleanField(label="Enabled", required=False, initial=True)
    field_order = ("network", "description", "enabled", "acknowledge_wide")

    def __init__(self, *args: Any, others: QuerySet[IpListEntry], **kwargs: Any) -> None:
        """`others` are the entries that the list has besides."""
        super().__init__(*args, **kwargs)
        self.others = others

    def clean_network(self) -> Network:
        """Return the network. Checked before the confirmation, so that no password is typed in vain."""
        network: Network = self.cleaned_data["network"]
        if self.others.filter(network=network).exists():
            raise ValidationError(format_duplicate(network))
        return network

    @property
    def entry(self) -> Entry:
        return Entry(self.cleaned_data["network"], self.cleaned_data["description"], self.cleaned_data["enabled"])

    def clean_description(self) -> str:
        """Return the description, or the comment after # in the field of the network, as in files."""
        comment = str(self.data.get(self.add_prefix("network"), "")).partition("#")[2].strip()
        description: str = self.cleaned_data["description"]
        if comment and description not in ("", comment):
            raise ValidationError(f"“{comment}” after # is a description, too. Remove one of them.")
        return str(self.fields["description"].clean(description or comment))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        warning = get_width_warning(cleaned["network"]) if "network" in cleaned else ""
        self.warn("network", [warning] if warning else [])
        return cleaned


class EditEntryForm(EntryForm):
    stamp = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, data: Any = None, *, row: IpListEntry) -> None:
        entry = Entry.from_row(row)
        initial = {**entry._asdict(), "network": format_network(entry.network), "stamp": entry.stamp}
        super().__init__(data, initial=initial, others=row.ip_list.entries.exclude(pk=row.pk))
        self.was = entry

    def clean(self) -> dict[str, Any]:
        # The unchanged network was acknowledged when it was added.
        if self.cleaned_data.get("network") == self.was.network:
            return self.cleaned_data
        return super().clean()


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
