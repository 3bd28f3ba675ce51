"""Forms of the export dialogs."""

from __future__ import annotations

from typing import Any

from django import forms

from audit.exports.formats import FORMATS
from core.spreadsheets import CsvStyle

SEPARATORS = (("comma", "Comma"), ("semicolon", "Semicolon"), ("tab", "Tab"))
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t"}


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


class SeparatorField(forms.ChoiceField):
    """The separator. In the page it has a value; a request without it means the comma."""

    needed = True


class CsvForm(forms.Form):
    """Options of an export as CSV. Other formats ignore them, and pages hide them."""

    bom = forms.BooleanField(
        label="Open in Excel",
        required=False,
        help_text="Adds a UTF-8 byte order mark so that Excel reads accents correctly.",
    )
    separator = SeparatorField(
        label="Separator",
        choices=SEPARATORS,
        initial="comma",
        required=False,
        help_text="Excel expects a semicolon in regions whose decimal sign is a comma.",
    )

    @property
    def csv_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in CsvForm.base_fields]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in CsvForm.base_fields]

    def get_options(self) -> dict[str, Any]:
        """Return the options of a valid form as services take them."""
        values = dict(self.cleaned_data)
        bom, separator = (values.pop(name) for name in CsvForm.base_fields)
        return values | {"csv": CsvStyle(bom, SIGNS[separator or "comma"])}


class ExportForm(CsvForm):
    """Options of a log's export; the page's filters choose its rows."""

    format = forms.ChoiceField(
        choices=[(name, label) for name, (label, _, _) in FORMATS.items()], initial="csv", widget=forms.RadioSelect
    )
    zip = ManifestField()


class ListExportForm(CsvForm):
    """Options of the export of a list: keys, users, IP lists or their entries."""

    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], initial="csv", widget=forms.RadioSelect)
    zip = ManifestField()
