"""Forms that change the selected keys. `selection` stands for the keys that the form was shown for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.forms.users import HandOverForm, ServiceErrorForm
from keys.decision.addresses import Network, format_network
from keys.forms.fields import DayField, ListsField, NetworksField, get_end_of_day, set_choices
from keys.forms.rotate import OverlapForm
from keys.key_settings import KeySettings
from keys.settings_change import SettingsChange


class BulkForm(ServiceErrorForm):
    selection = forms.CharField(required=False, widget=forms.HiddenInput)


class BulkConfirmForm(BulkForm, ConfirmForm):
    pass


class BulkReassignForm(BulkForm, HandOverForm):
    pass


class BulkChangeForm(BulkForm, OverlapForm):
    pass


class BulkExpiryForm(BulkForm):
    expires_on = DayField(
        label="Expires on",
        help_text="The keys work until the end of that day (UTC). A key that expires earlier keeps its date.",
    )

    def clean_expires_on(self) -> date:
        """Return the day. Checked for all keys at once, so that a slip does not become a list of failures."""
        day: date = self.cleaned_data["expires_on"]
        if get_end_of_day(day) <= timezone.now():
            raise forms.ValidationError(f"{day:%Y-%m-%d} is in the past. Choose a later day.")
        return day

    @property
    def change(self) -> SettingsChange:
        return SettingsChange(expires_at=get_end_of_day(self.cleaned_data["expires_on"]))


@dataclass(frozen=True)
class Restrictions:
    """The addresses and IP lists of the selected keys, and how many of the keys have any and how many have none."""

    networks: Collection[Network]
    ip_lists: Collection[int]
    restricted: int
    unrestricted: int

    @classmethod
    def from_settings(cls, settings: Iterable[KeySettings]) -> Restrictions:
        settings = list(settings)
        restricted = sum(bool(each.networks or each.ip_lists) for each in settings)
        return cls(
            list(dict.fromkeys(network for each in settings for network in each.networks)),
            {pk for each in settings for pk in each.ip_lists},
            restricted,
            len(settings) - restricted,
        )


class BulkAddressesForm(BulkConfirmForm):
    """Add and remove addresses and IP lists. `ip_lists` are the names of the account's lists by primary key."""

    add_networks = NetworksField(label="Add addresses", required=False)
    add_lists = ListsField(label="Add IP lists", required=False)
    restrict_open = forms.BooleanField(required=False)
    remove_networks = forms.MultipleChoiceField(label="Remove addresses", required=False)
    remove_lists = ListsField(label="Remove IP lists", required=False)
    password = PasswordField(required=False)

    def __init__(self, *args: Any, ip_lists: Mapping[int, str], now: Restrictions, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        named = [(str(pk), name) for pk, name in ip_lists.items()]
        set_choices(self.fields["add_lists"], named)
        set_choices(self.fields["remove_lists"], [pair for pair in named if int(pair[0]) in now.ip_lists])
        self.networks = {format_network(network): network for network in now.networks}
        set_choices(self.fields["remove_networks"], [(text, text) for text in self.networks])
        for name in ("remove_lists", "remove_networks"):
            if not self.fields[name].choices:  # type: ignore[attr-defined]
                del self.fields[name]
        if now.unrestricted:
            keys = "key that accepts" if now.unrestricted == 1 else f"{now.unrestricted} keys that accept"
            self.fields["restrict_open"].label = f"Also restrict the {keys} calls from any address"
        else:
            del self.fields["restrict_open"]

    @property
    def change(self) -> SettingsChange:
        cleaned = self.cleaned_data
        return SettingsChange(
            add_networks=cleaned.get("add_networks", ()),
            add_lists=frozenset(map(int, cleaned.get("add_lists", ()))),
            remove_networks=tuple(self.networks[text] for text in cleaned.get("remove_networks", ())),
            remove_lists=frozenset(map(int, cleaned.get("remove_lists", ()))),
            restrict_open=cleaned.get("restrict_open", False),
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and self.change == SettingsChange(restrict_open=self.change.restrict_open):
            self.add_error("add_networks", "Enter an address such as 203.0.113.7, or choose an IP list.")
        return cleaned
