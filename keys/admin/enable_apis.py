"""A button on Support's page of an account that enables APIs for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import Form

from accounts.admin.confirmed_button import ConfirmedButton
from accounts.forms.confirm import ConfirmForm
from accounts.models import Account, User
from accounts.services import build_account_target
from audit.trail.events import Target
from core.actor import Actor
from keys import apis
from keys.models import Api


def list_apis_to_enable(account: Account) -> Any:
    """Return the APIs that are not enabled for the account, sorted by name."""
    return Api.objects.exclude(enablements__account=account).only("slug", "name").order_by("name", "pk")


class EnableApisForm(ConfirmForm):
    apis = forms.ModelMultipleChoiceField(
        queryset=Api.objects.none(),
        to_field_name="slug",
        label="APIs",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Select at least one API."},
    )
    field_order = ("apis", "password", "passkey")

    def __init__(self, data: Any = None, *, account: Account) -> None:
        super().__init__(data)
        self.fields["apis"].queryset = list_apis_to_enable(account)  # type: ignore[attr-defined]

    def set_action(self, user: User, action: str, target: str, about: Target) -> None:
        """Bind the confirmation to these APIs and this account."""
        slugs = self["apis"].data or ()
        super().set_action(user, action, apis.get_enable_target(target, slugs), about)


class EnableApis(ConfirmedButton):
    name, label = "enable-apis", "Enable APIs"
    form = EnableApisForm
    action = "api.enable"

    def is_available(self, row: Account, by: Actor) -> bool:
        return list_apis_to_enable(row).exists()

    def make_form(self, row: Account, data: Any) -> Form:
        return EnableApisForm(data, account=row)

    def get_event_target(self, row: Account) -> Target:
        return build_account_target(row)

    def get_confirmation_target(self, row: Account) -> str:
        """Return the account's slug; EnableApisForm adds the APIs to it."""
        return row.slug

    def get_effects(self, row: Account) -> Iterator[str]:
        yield f"Users of {row.name} will see the selected APIs, and its Administrators can add keys for them."
        if row.status == Account.Status.PENDING:
            yield "The account is pending. Keys can be added once the account is active."

    def run(self, row: Account, form: Form, by: Actor) -> str:
        new = apis.enable_all(apis=list(form.cleaned_data["apis"]), account=row, by=by)
        if not new:
            return f"All of these APIs were already enabled for {row.name}."
        names = ", ".join(api.name for api in new)
        next_step = " Next: activate the account." if row.status == Account.Status.PENDING else ""
        return f"{row.name} now has {names}.{next_step}"
