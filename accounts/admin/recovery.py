"""Support's buttons for locked-out users: remove second factors, appoint an account's Administrator."""

from __future__ import annotations

from collections.abc import Iterator

from django import forms
from django.forms import Form

from accounts import services
from accounts.admin.confirmed_button import ConfirmedButton
from accounts.forms.confirm import ConfirmForm
from accounts.models import Account, Invitation, User
from accounts.selectors import count_sessions, list_administrators
from accounts.services import Invalid, build_account_target, build_user_target, get_appointment_target
from accounts.signin.second_factors import get_second_factors, is_second_factor_required
from audit.trail.events import Target
from core.actor import Actor

MAX_NAMED_ADMINISTRATORS = 5


class RemoveSecondFactors(ConfirmedButton):
    name, label, dangerous = "remove-second-factors", "Remove second factors", True
    form = ConfirmForm
    action = "factors.remove"
    refusals = (*ConfirmedButton.refusals, Invalid)

    def is_available(self, row: User, by: Actor) -> bool:
        """Return False for Support's users, whose second factors only a command removes."""
        return row.account_id is not None and bool(get_second_factors(row))

    def get_event_target(self, row: User) -> Target:
        return build_user_target(row)

    def get_effects(self, row: User) -> Iterator[str]:
        yield "First verify that the request comes from this person, not just from their mailbox."
        yield f"The authenticator app, passkeys and recovery codes of {row.email} stop working. The password stays."
        yield f"They are signed out everywhere (sessions: {count_sessions(row)}). They are notified by e-mail."
        if is_second_factor_required(row):
            yield "Their account requires a second factor: they must add a new one when they next sign in."
        else:
            yield "Their account requires no second factor: until they add one, they sign in with the password alone."

    def run(self, row: User, form: Form, by: Actor) -> str:
        services.remove_second_factors(user=row, by=by)
        return f"The second factors of {row.email} are removed."

    def format_refusal(self, problem: Exception) -> str:
        return _format_refusal(problem)


class AppointForm(ConfirmForm):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="An active user of the account, or an address that has no user yet.",
    )
    field_order = ("email", "password", "passkey")

    def set_action(self, user: User, action: str, target: str, about: Target) -> None:
        """Bind the confirmation to this account and this e-mail."""
        super().set_action(user, action, get_appointment_target(target, self["email"].data or ""), about)


class AppointAdministrator(ConfirmedButton):
    name, label = "appoint-administrator", "Appoint Administrator"
    form = AppointForm
    action = "administrator.appoint"
    refusals = (*ConfirmedButton.refusals, Invalid)

    def get_event_target(self, row: Account) -> Target:
        return build_account_target(row)

    def get_confirmation_target(self, row: Account) -> str:
        """Return the account's slug; AppointForm adds the e-mail to it."""
        return row.slug

    def get_effects(self, row: Account) -> Iterator[str]:
        emails = list(list_administrators(row).values_list("email", flat=True)[: MAX_NAMED_ADMINISTRATORS + 1])
        more = " and others" if len(emails) > MAX_NAMED_ADMINISTRATORS else ""
        names = ", ".join(emails[:MAX_NAMED_ADMINISTRATORS]) + more
        if names:
            yield f"{row.name} has active Administrators: {names}. They can do this themselves, and are notified."
        else:
            yield f"{row.name} has no active Administrator."
        yield "First verify that the request comes from the organisation."
        yield "A user of the account becomes its Administrator and is signed out; a new address gets an invitation."

    def run(self, row: Account, form: Form, by: Actor) -> str:
        email = form.cleaned_data["email"].lower()
        user = services.appoint_administrator(account=row, email=email, by=by)
        if isinstance(user, Invitation):
            return f"An invitation is sent to {email}. Its link works for seven days."
        return f"{row.name} has a new Administrator: {email}."

    def format_refusal(self, problem: Exception) -> str:
        return _format_refusal(problem)


def _format_refusal(problem: Exception) -> str:
    return " ".join(problem.messages) if isinstance(problem, Invalid) else str(problem)
