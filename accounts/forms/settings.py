"""The form of the account's settings, and a preview of masked phone numbers."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.forms.users import ServiceErrorForm
from accounts.models import Account
from accounts.services import Settings
from core.phone_masking import Mask

SAMPLE_NUMBERS = ("+442079460123", "2125550123", "5550123")


class SettingsForm(ServiceErrorForm, ConfirmForm):
    """The account's settings. A confirmation is required only if numbers become readable; the form is then shown again
    with its field."""

    name = forms.CharField(label="Account name", max_length=200)
    mask_phone = forms.BooleanField(
        label="Mask phone numbers",
        required=False,
        help_text=(
            "Hides digits in the API logs and their exports, and in API calls with keys that have Mask Phone Number. "
            "While this is off, Mask Phone Number has no effect."
        ),
    )
    mask_digits = forms.IntegerField(
        label="Digits to show", min_value=0, max_value=15, help_text="0 hides all digits.", initial=0
    )
    mask_side = forms.ChoiceField(
        label="Position",
        choices=[(side.value, side.label.capitalize()) for side in Account.MaskSide],
        widget=forms.RadioSelect,
    )
    second_factor_required = forms.BooleanField(
        label="Require a second factor for all users",
        required=False,
        help_text="Users without one must set it up at their next sign-in before they can continue.",
    )
    key_lifetime_days = forms.IntegerField(
        label="Maximum key lifetime (days)",
        required=False,
        min_value=1,
        max_value=36500,
        help_text="Applies to new keys only. Leave empty for no limit.",
    )
    password = PasswordField(required=False)

    def __init__(self, data: Any = None, *, account: Account) -> None:
        settings = Settings.from_account(account)
        super().__init__(data, initial={name: getattr(settings, name) for name in Settings.__dataclass_fields__})

    @property
    def settings(self) -> Settings:
        return Settings(**{name: self.cleaned_data[name] for name in Settings.__dataclass_fields__})


def build_preview(form: SettingsForm) -> list[tuple[str, str]]:
    """Return example numbers as pairs of number and masked number, by the form's values, or by the saved ones if the
    form is invalid."""
    if form.is_bound:
        form.is_valid()
    values = {**form.initial, **getattr(form, "cleaned_data", {})}
    if not values["mask_phone"]:
        return [(number, number) for number in SAMPLE_NUMBERS]
    mask = Mask(values["mask_digits"], values["mask_side"])
    return [(number, mask.mask(number)) for number in SAMPLE_NUMBERS]
