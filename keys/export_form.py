"""The Export dialog of the list of keys."""

from __future__ import annotations

from django import forms


class KeyExportForm(forms.Form):
    """What the file is; what is in it, the page's filters say."""

    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], initial="csv", widget=forms.RadioSelect)
