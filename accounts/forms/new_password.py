"""The field for a new password, which its owner types once because the page can show it."""

from __future__ import annotations

from django import forms

HELP_TEXT = "At least 10 characters. Several random words make a strong password."


class NewPasswordField(forms.CharField):
    """A password of at most 1,000 characters; accounts.services validates it."""

    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})

    def __init__(self, *, label: str) -> None:
        super().__init__(label=label, strip=False, max_length=1000, help_text=HELP_TEXT)
