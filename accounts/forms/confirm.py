"""The form of every action that needs the user's confirmation."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.utils.functional import lazy

from accounts.confirmation import ConfirmationRefused, Locked, WrongPassword, confirm
from accounts.models import User
from accounts.signin.second_factors import FactorType, get_second_factors
from audit.trail.events import Target
from core.actor import Actor


class PasswordField(forms.CharField):
    """The password or code that confirms the action, in the action's own form."""

    def __init__(self, **options: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
        super().__init__(label="Your password", strip=False, max_length=1000, widget=widget, **options)


class ConfirmForm(forms.Form):
    """A form that requires a confirmation: the password, or a code or passkey of a user who has one. The view calls
    `set_action`; the template renders the fields with components/confirm.html."""

    password = PasswordField()
    # The browser's answer, filled in by the script.
    passkey = forms.CharField(required=False, widget=forms.HiddenInput, max_length=100_000)

    action = target = ""
    about: Target
    _user: User | None = None
    password_only = False

    def set_action(self, user: User, action: str, target: str, about: Target) -> None:
        """Set what the form confirms; call it before validation. `target` is what services bind the confirmation to;
        `about` is the object that the trail names when the confirmation fails."""
        self.action, self.target, self.about, self._user = action, target, about, user
        self.fields["password"].label = lazy(self._get_password_label, str)()
        if self.data.get(self.add_prefix("passkey")):
            self.fields["password"].required = False

    @cached_property
    def has_passkey(self) -> bool:
        return FactorType.WEBAUTHN in self._second_factors

    @cached_property
    def _second_factors(self) -> frozenset[str]:
        # Asked when the form is rendered: of most that are sent, only the answer is.
        return get_second_factors(self._user) if self._user else frozenset()

    def _get_password_label(self) -> str:
        has_totp = FactorType.TOTP in self._second_factors
        return "Your password or authenticator code" if has_totp else "Your password"

    @property
    def has_confirmation(self) -> bool:
        """Return whether a password, code or passkey was sent."""
        return bool(self.cleaned_data.get("password") or self.cleaned_data.get("passkey"))

    def get_confirmed_actor(self, user: User, by: Actor) -> Actor | None:
        """Return the actor with the confirmation; None if it was refused, with the reason as the field's error."""
        password, passkey = self.cleaned_data["password"], self.cleaned_data["passkey"]
        try:
            consent = confirm(
                user,
                password,
                passkey=passkey,
                action=self.action,
                target=self.target,
                about=self.about,
                by=by,
                password_only=self.password_only,
            )
        except ConfirmationRefused as refused:
            self.add_error("password", format_refusal(refused))
            return None
        return by.with_confirmation(consent)


def format_refusal(refused: ConfirmationRefused) -> str:
    if isinstance(refused, WrongPassword):
        return f"{refused} {refused.attempts_left} {'attempt' if refused.attempts_left == 1 else 'attempts'} left."
    if isinstance(refused, Locked):
        return f"{refused} Nothing was changed."
    return str(refused)
