"""Forms of IP lists. They parse input; keys.ip_lists.entries validates it, for services too."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
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
from keys.ip_lists.importing import DescriptionWidget
from keys.ip_lists.selectors import find_name_problem
from keys.models import IpList, IpListEntry

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
                field, [f'{warning} Select "I understand, add it anyway" to continue.' for warning in warnings]
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
            raise ValidationError(f'"{comment}" after # is a description, too. Remove one of them.')
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
