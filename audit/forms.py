"""The Export dialog."""

from __future__ import annotations

from django import forms

from audit.exports.formats import FORMATS


class ExportForm(forms.Form):
    """What the file is like; what is in it, the page's filters say."""

    format = forms.ChoiceField(
        choices=[(name, label) for name, (label, _, _) in FORMATS.items()], initial="csv", widget=forms.RadioSelect
    )
    bom = forms.BooleanField(
        label="For Excel", required=False, help_text="Starts a CSV with a mark by which Excel knows UTF-8."
    )
