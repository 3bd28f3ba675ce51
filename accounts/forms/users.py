"""What Administrators fill in about users, and what someone invited says about themselves."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, cast

from django import forms

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.models import User
from accounts.services import Invalid
from core.permissions import ACCOUNT_ROLES

LEAVE_CHOICE = ("leave", "Keep them: calls are refused until the keys are reassigned")
ROLE_DESCRIPTIONS = {
    "administrator": "Administrator: creates keys, sees secrets, manages users and settings",
    "account_reader": "Account Reader: sees keys and the API log",
    "auditor": "Auditor: sees everything but secrets, exports the logs",
}


class ServiceErrorForm(forms.Form):
    """A form that shows a service's validation errors at its fields."""

    def add_service_errors(self, problem: Invalid) -> None:
        for name, messages in problem.message_dict.items():
            self.add_error(name if name in self.fields else None, messages)


class RolesField(forms.MultipleChoiceField):
    """Support is no choice here."""

    def __init__(self) -> None:
        super().__init__(
            label="Roles",
            required=False,
            choices=[(role.value, ROLE_DESCRIPTIONS[role]) for role in ACCOUNT_ROLES],
            widget=forms.CheckboxSelectMultiple,
            help_text="Without a role, a user sees the keys they own, and no secret.",
        )


class InviteForm(ServiceErrorForm, ConfirmForm):
    email = forms.EmailField(label="E-mail", max_length=254)
    roles = RolesField()
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class RolesForm(ServiceErrorForm, ConfirmForm):
    """The confirmation is asked for only when a role is granted; then the form is shown again with it."""

    roles = RolesField()
    password = PasswordField(required=False)


class HandOverForm(ServiceErrorForm, ConfirmForm):
    heir = forms.ChoiceField(label="New owner")

    def __init__(self, *args: Any, candidates: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.candidates = {str(heir.pk): heir for heir in candidates}
        named = [(pk, f"{heir.nickname} ({heir.email})") for pk, heir in self.candidates.items()]
        cast("forms.ChoiceField", self.fields["heir"]).choices = [("", "Select a user"), *named]

    @property
    def new_owner(self) -> User:
        return self.candidates[self.cleaned_data["heir"]]


class DeactivateForm(HandOverForm):
    """Of a user with keys: what becomes of them. Only giving them away needs a confirmation."""

    keys = forms.ChoiceField(
        label="Their keys",
        widget=forms.RadioSelect,
        choices=[
            LEAVE_CHOICE,
            ("give", "Reassign them to another user: calls keep working"),
        ],
    )
    password = PasswordField(required=False)
    field_order = ("keys", "heir", "password")

    def __init__(self, *args: Any, candidates: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, candidates=candidates, **kwargs)
        self.fields["heir"].required = False
        if not self.candidates:
            keys = cast("forms.ChoiceField", self.fields["keys"])
            keys.choices, keys.initial = [LEAVE_CHOICE], "leave"
            del self.fields["heir"]

    @property
    def is_handing_over(self) -> bool:
        return self.cleaned_data["keys"] == "give"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("keys") == "give":
            if not cleaned.get("heir") and "heir" not in self.errors:
                self.add_error("heir", "Choose the new owner of the keys.")
            if not self.has_confirmation:
                self.add_error("password", "Reassigning keys needs your confirmation.")
        return cleaned


class AcceptForm(ServiceErrorForm):
    nickname = forms.CharField(
        label="Nickname", max_length=64, help_text="Shown to other users in the account, and as the owner of your keys."
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters. Several random words make a strong password.",
    )


class ResetForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
