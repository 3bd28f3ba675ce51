"""What people fill in about a key's secret and its overlap."""

from __future__ import annotations

from django import forms

from accounts.forms.confirm import ConfirmForm
from keys.services import Overlap


class ChangeForm(ConfirmForm):
    """`secret` is the number of the secret that is changed: one form makes one change."""

    secret = forms.UUIDField(widget=forms.HiddenInput)
    overlap = forms.ChoiceField(
        label="The old secret goes on working for",
        choices=[("none", "No time: it is refused at once"), *Overlap.choices[1:]],
        initial=Overlap.NONE,
        widget=forms.RadioSelect,
        help_text="Time to give the new one to every program that uses the key. None if the old one has leaked.",
    )
    ends_on_use = forms.BooleanField(
        label="End it early, on the first allowed use of the new one",
        required=False,
    )
    field_order = ("secret", "overlap", "ends_on_use")


class ExtendForm(ConfirmForm):
    overlap = forms.ChoiceField(
        label="From now, the old secret goes on working for",
        choices=Overlap.choices[1:],
        initial=Overlap.DAY,
        widget=forms.RadioSelect,
    )
    field_order = ("overlap",)
