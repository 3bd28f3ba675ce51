"""The form that creates a link to a key's documentation."""

from __future__ import annotations

from django import forms

from keys.services.docs_links import LIFETIMES


class DocsLinkForm(forms.Form):
    days = forms.TypedChoiceField(
        label="Expires in", choices=[(str(days), f"{days} days") for days in LIFETIMES], coerce=int, initial="30"
    )
