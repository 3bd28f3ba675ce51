"""The form of every list's filters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from core.filters.fields import flatten_choices

# Parameters of a list's links that are no filters.
NOT_FILTERS = frozenset({"sort", "page", "after", "before", "newest", "start"})
MAX_CHOICES_NAMED = 12


def list_labels(form: forms.Form) -> list[str]:
    """Return the labels of the fields that people can fill in, as pages show them."""
    return [str(field.label) for field in form.visible_fields() if field.name not in NOT_FILTERS]


def format_unknown_choice(value: object, choices: Any) -> str:
    """Return a sentence that names the value and, if they are few, the choices. It follows the field's label."""
    words = list(dict.fromkeys(word for key, word in flatten_choices(choices).items() if key))
    named = f"one of: {', '.join(words)}" if 0 < len(words) <= MAX_CHOICES_NAMED else "one of the list"
    return f'"{value}" is not a choice. Choose {named}.'


class StrictFilterForm(forms.Form):
    """A filter form that rejects unknown and repeated parameters: a filter that the page lacks must not be ignored."""

    data: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A panel over the list has fields of the same names: a repeated ID would detach labels from their fields.
        super().__init__(*args, **kwargs | {"auto_id": "filter_%s"})

    def add_error(self, field: str | None, error: Any) -> None:
        """Add the error; instead of Django's text for an unknown choice, one that names the choices."""
        chosen = self.fields.get(field or "")
        default = forms.ChoiceField.default_error_messages["invalid_choice"]
        if isinstance(chosen, forms.ChoiceField) and getattr(error, "message", "") == default:
            error = format_unknown_choice(error.params["value"], chosen.choices)
        super().add_error(field, error)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if unknown := sorted(set(self.data) - set(self.fields)):
            names = ", ".join(f'"{name}"' for name in unknown)
            raise ValidationError(f"There is no filter {names}. There are: {', '.join(list_labels(self))}.")
        if repeated := sorted(name for name in self.data if len(self.data.getlist(name)) > 1):
            raise ValidationError(f'The filter "{repeated[0]}" appears more than once.')
        return cleaned
