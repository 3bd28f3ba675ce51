"""Forms of the export dialogs."""

from __future__ import annotations

from typing import Any

from django import forms

from audit.exports.formats import FORMATS


class ManifestField(forms.BooleanField):
    """Whether the file comes with its manifest."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Include the signed manifest",
            required=False,
            help_text=(
                "Downloads a ZIP with the file and its manifest, which anyone can use to verify the file offline."
            ),
            **options,
        )


class ExportForm(forms.Form):
    """Options of a log's export; the page's filters choose its rows."""

    format = forms.ChoiceField(
        choices=[(name, label) for name, (label, _, _) in FORMATS.items()], initial="csv", widget=forms.RadioSelect
    )
    bom = forms.BooleanField(
        label="Open in Excel",
        required=False,
        help_text="Adds a UTF-8 byte order mark so that Excel reads accents correctly.",
    )
    zip = ManifestField()


class ListExportForm(forms.Form):
    """Options of the export of a list: keys, users, IP lists or their entries."""

    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], initial="csv", widget=forms.RadioSelect)
    zip = ManifestField()
