"""The Export dialog."""

from __future__ import annotations

from django import forms


class ExportForm(forms.Form):
    """What the file is like; what is in it, the page's filters say."""

    format = forms.ChoiceField(choices=[("csv", "CSV")], initial="csv", widget=forms.RadioSelect)
    bom = forms.BooleanField(
        label="For Excel", required=False, help_text="Starts the file with a mark by which Excel knows UTF-8."
    )
