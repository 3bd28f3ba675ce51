"""Forms of a list's columns, and of a saved filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django import forms

from core.columns import PAGE_SIZES, ListChoice, ListColumns


class ColumnRow(NamedTuple):
    """A column in the form: whether it can be hidden and is shown, and the field of its position."""

    name: str
    label: str
    is_fixed: bool
    is_shown: bool
    position: forms.BoundField


class ColumnsForm(forms.Form):
    """The columns to show, with a position for each, and the rows a page. `shown` are the columns shown now."""

    columns = forms.MultipleChoiceField(required=False)
    page_size = forms.TypedChoiceField(
        label="Rows per page", choices=[(size, str(size)) for size in PAGE_SIZES], coerce=int
    )

    def __init__(self, data: Any, *, columns: ListColumns, choice: ListChoice, shown: Sequence[str]) -> None:
        super().__init__(data, initial={"page_size": choice.page_size})
        self.list = columns
        self.shown = shown
        self.fields["columns"].choices = list(columns.labels.items())  # type: ignore[attr-defined]
        self.order = [*shown, *(name for name in columns.labels if name not in shown)]
        for place, name in enumerate(self.order, 1):
            attributes = {"aria-label": f"Position of {columns.labels[name]}", "data-position": ""}
            self.fields[f"position_{name}"] = forms.IntegerField(
                label=f"Position of {columns.labels[name]}",
                required=False,
                min_value=1,
                max_value=99,
                initial=place,
                widget=forms.NumberInput(attrs=attributes),
            )

    @property
    def rows(self) -> list[ColumnRow]:
        ticked = self["columns"].value() if self.is_bound else self.shown
        return [
            ColumnRow(name, self.list.labels[name], name in self.list.always, name in ticked, self[f"position_{name}"])
            for name in self.order
        ]

    @property
    def position_errors(self) -> list[str]:
        return [
            f"{field.label}: {error}" for field in self if field.name.startswith("position_") for error in field.errors
        ]

    def get_shown(self) -> list[str]:
        """Return the columns to show, by their positions."""
        visible = {*self.cleaned_data["columns"], *self.list.always}
        places = {name: self.cleaned_data.get(f"position_{name}") or 99 for name in self.order}
        return sorted((name for name in self.order if name in visible), key=places.__getitem__)


class SaveFilterForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80)
    shared = forms.BooleanField(
        label="Share with everyone in the account",
        required=False,
        help_text="Visible to everyone who can see this list.",
    )
