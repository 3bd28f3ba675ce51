"""Forms to change a key's secret, and to extend the overlap of the old one."""

from __future__ import annotations

from django import forms

from accounts.forms.confirm import ConfirmForm
from keys.services import Overlap


class OverlapForm(ConfirmForm):
    """How long the old secret works beside a new one."""

    overlap = forms.ChoiceField(
        label="Keep the old secret working for",
        choices=[("none", "None (refuse it immediately)"), *Overlap.choices[1:]],
        initial=Overlap.NONE,
        widget=forms.RadioSelect,
        help_text=(
            "Gives you time to update every application that uses the key. Choose none if the old secret has leaked."
        ),
    )
    ends_on_use = forms.BooleanField(
        label="End it early, when the new secret is first used successfully",
        required=False,
    )
    field_order = ("overlap", "ends_on_use")


class ChangeForm(OverlapForm):
    """Change the secret with primary key `secret`; a second POST of the same form changes nothing."""

    secret = forms.UUIDField(widget=forms.HiddenInput)


class ExtendForm(ConfirmForm):
    overlap = forms.ChoiceField(
        label="Keep the old secret working for",
        choices=Overlap.choices[1:],
        initial=Overlap.DAY,
        widget=forms.RadioSelect,
    )
    field_order = ("overlap",)
