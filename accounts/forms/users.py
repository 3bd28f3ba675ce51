"""Forms of users and invitations."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.forms.new_password import NewPasswordField
from accounts.models import Account, Invitation, User
from accounts.services import Invalid, find_member_problem
from accounts.services.users import build_user
from core.permissions import ACCOUNT_ROLES

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
    """The roles of an account; Support is none of them."""

    def __init__(self) -> None:
        super().__init__(
            label="Roles",
            required=False,
            choices=[(role.value, ROLE_DESCRIPTIONS[role]) for role in ACCOUNT_ROLES],
            widget=forms.CheckboxSelectMultiple,
            help_text="Users without a role see only the keys they own, without secrets.",
        )


class InviteForm(ServiceErrorForm, ConfirmForm):
    """Invite somebody who is no user of the account yet."""

    email = forms.EmailField(label="E-mail", max_length=254)
    roles = RolesField()
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_email(self) -> str:
        """Return the e-mail. Checked before the confirmation, so that no password is typed in vain."""
        email = str(self.cleaned_data["email"])
        if problem := find_member_problem(self.account, email):
            raise ValidationError(problem)
        return email


class RolesForm(ServiceErrorForm, ConfirmForm):
    """The user's roles. A confirmation is required only if a role is granted; the form is then shown again with its
    field."""

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


class AcceptForm(ServiceErrorForm):
    nickname = forms.CharField(
        label="Nickname", max_length=64, help_text="Shown to other users in the account, and as the owner of your keys."
    )
    password = NewPasswordField(label="Password")

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation

    def clean(self) -> dict[str, Any]:
        """Add what the service would refuse, so that every error is shown at once."""
        cleaned = super().clean() or {}
        given = {name: cleaned.get(name, "") for name in ("nickname", "password")}
        invited = self.invitation
        try:
            build_user(invited.account, email=invited.email, roles=invited.roles, **given)
        except Invalid as problem:
            errors = problem.message_dict
            self.add_service_errors(
                Invalid({name: errors[name] for name in given if name in errors and name not in self.errors})
            )
        return cleaned


class ResetForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
