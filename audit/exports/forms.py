"""Forms of the export dialogs."""

from __future__ import annotations

from typing import Any

from django import forms

from audit.exports.formats import FORMATS


class ManifestField(forms.BooleanField):
    """Whether the file comes with its manifest."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="With its signed manifest",
            required=False,
            help_text="Downloads one ZIP of the file and the manifest, with which anyone can check the file offline.",
            **options,
        )


class ExportForm(forms.Form):
    """Options of a log's export; the page's filters choose its rows."""

    format = forms.ChoiceField(
        choices=[(name, label) for name, (label, _, _) in FORMATS.items()], initial="csv", widget=forms.RadioSelect
    )
    bom = forms.BooleanField(
        label="For Excel", required=False, help_text="Starts a CSV with a mark by which Excel knows UTF-8."
    )
    zip = ManifestField()


class ListExportForm(forms.Form):
    """Options of the export of a list: keys, users, IP lists or their entries."""

    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], initial="csv", widget=forms.RadioSelect)
    zip = ManifestField()
