"""Buttons on Support's page of an API: enable it for an account, and set its request link."""

from __future__ import annotations

from typing import Any

from django.forms import Form

from accounts.admin.confirmed_button import ConfirmedButton
from audit.trail.events import Target
from core.actor import Actor
from keys import apis
from keys.apis.admin.forms import EnableForm, RequestLinkForm
from keys.apis.policy import Policy
from keys.docs.documentation import get_documentation
from keys.docs.page import get_request_link
from keys.models import Api


class Enable(ConfirmedButton):
    name = "enable"
    label = "Enable for an account"
    form = EnableForm
    action = "api.enable"

    def get_event_target(self, row: Api) -> Target:
        return Target("api", row.slug, row.name)

    def get_confirmation_target(self, row: Api) -> str:
        """Return the API's slug; EnableForm adds the account to it."""
        return row.slug

    def get_effects(self, row: Api) -> list[str]:
        return [f"Users of the account will see {row.name}, and its Administrators can add keys for it."]

    def run(self, row: Api, form: Form, by: Actor) -> str:
        account = form.cleaned_data["account"]
        new = apis.enable(api=row, account=account, by=by)
        return f"{account} now has the API {row.name}." if new else f"{account} already had the API {row.name}."


class SetRequestLink(ConfirmedButton):
    name = "request-link"
    label = "Set request link"
    form = RequestLinkForm
    action = "api.request_link"
    refusals = (*ConfirmedButton.refusals, apis.IncompatibleChange)

    def make_form(self, row: Api, data: Any) -> Form:
        return RequestLinkForm(data, initial={"link": row.request_link})

    def get_event_target(self, row: Api) -> Target:
        return Target("api", row.slug, row.name)

    def get_confirmation_target(self, row: Api) -> str:
        return row.slug

    def get_effects(self, row: Api) -> list[str]:
        return [
            f"This address appears in the documentation and code samples of every {row.name} key. No key is changed.",
            f"Now: {describe_request_link(row)}.",
        ]

    def run(self, row: Api, form: Form, by: Actor) -> str:
        saved = apis.set_request_link(api=row, link=form.cleaned_data["link"], by=by)
        return f"{row.name} is reached at {describe_request_link(saved)}."


def describe_request_link(api: Api) -> str:
    """Return the API's base URL and where it is configured."""
    rules = Policy.from_data(api.policy)
    link = get_request_link(get_documentation(api).server, rules, api.request_link)
    if not link.is_configured:
        return f"{link.text} (placeholder: no address is configured)"
    source = "set here" if api.request_link else "from the policy" if rules.request_link else "from the document"
    return f"{link.text} ({source})"
