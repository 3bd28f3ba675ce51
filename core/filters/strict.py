"""The form of every list's filters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class StrictFilterForm(forms.Form):
    """A filter form that rejects unknown and repeated parameters: a filter that the page lacks must not be ignored."""

    data: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A panel over the list has fields of the same names: a repeated ID would detach labels from their fields.
        super().__init__(*args, **kwargs | {"auto_id": "filter_%s"})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if unknown := sorted(set(self.data) - set(self.fields)):
            names = ", ".join(f'"{name}"' for name in unknown)
            raise ValidationError(f"There is no filter {names}. There are: {', '.join(self.fields)}.")
        if repeated := sorted(name for name in self.data if len(self.data.getlist(name)) > 1):
            raise ValidationError(f'The filter "{repeated[0]}" appears more than once.')
        return cleaned
