"""Forms of sign-in and of the user's own profile."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.contrib.auth.password_validation import validate_password

from accounts.forms.confirm import ConfirmForm
from accounts.forms.new_password import NewPasswordField
from accounts.models import User
from audit.trail.events import Target


class SignInForm(LoginForm):
    """E-mail and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "E-mail"
        # The link to the reset is on the page, below the form.
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        self.fields["login"].widget.attrs |= {"autofocus": True, "autocomplete": "username"}


class SecondFactorForm(forms.Form):
    """The second step: a code of the authenticator app, a recovery code, or a passkey's answer."""

    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "inputmode": "numeric", "spellcheck": "false"}
        ),
    )
    passkey = forms.CharField(required=False, widget=forms.HiddenInput, max_length=100_000)

    # Required by the form, not by the browser, which would refuse to submit the passkey's button.
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].required = not self.data.get("passkey")


class NewPasswordForm(ConfirmForm):
    """Change the password: the current one, and the new one once, because the field can show it."""

    new_password = NewPasswordField(label="New password")
    field_order = ("password", "new_password")

    def set_action(self, user: User, action: str, target: str, about: Target) -> None:
        """Require the current password: no code or passkey is accepted instead."""
        self.action, self.target, self.about = action, target, about
        self.user = user
        self.fields["password"].label = "Current password"

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        validate_password(password, self.user)
        return password

    password_only = True


class TotpForm(ConfirmForm):
    """Add an authenticator app. `seed` is the secret that the page showed, signed, so that the session holds none."""

    seed = forms.CharField(widget=forms.HiddenInput, max_length=500)
    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
        help_text="The 6-digit code shown in the app.",
    )
    field_order = ("seed", "code", "password", "passkey")


class PasskeyForm(ConfirmForm):
    name = forms.CharField(
        label="Name", max_length=60, help_text='Helps you tell your passkeys apart, for example "laptop".'
    )
    credential = forms.CharField(required=False, widget=forms.HiddenInput, max_length=100_000)
    field_order = ("name", "credential", "password", "passkey")
