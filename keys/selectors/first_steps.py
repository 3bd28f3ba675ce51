"""Determine what must happen before an account can have keys: the steps, who takes each, and how."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings

from accounts.models import Account, User
from core.authorization import has_permission
from core.permissions import Permission
from core.program import PROGRAM
from keys.visibility import get_enabled_apis


class Step(NamedTuple):
    """One step; `how` is empty where no explanation is needed."""

    text: str
    how: str
    done: bool = False


class FirstSteps(NamedTuple):
    """The steps of an account in order. `contact` is Support's e-mail address or URL, or empty if not configured;
    `program` is the command on the server."""

    account: str
    steps: tuple[Step, ...]
    contact: str
    program: str = PROGRAM

    @property
    def contact_url(self) -> str:
        return f"mailto:{self.contact}" if self.contact and "://" not in self.contact else self.contact


def get_first_steps(user: User, *, has_apis: bool | None = None) -> FirstSteps | None:
    """Return the steps before the reader's account can have keys.

    Return None once it can have keys, and while it is suspended. Callers that already know whether any API is enabled
    pass `has_apis` to save a query.
    """
    account = user.account
    if account is None or account.status == Account.Status.SUSPENDED:
        return None
    active = account.status == Account.Status.ACTIVE
    enabled = get_enabled_apis(user).exists() if has_apis is None else has_apis
    if active and enabled:
        return None
    page = f"In /admin/, under Accounts, {account.slug}"
    adds = has_permission(user, Permission.KEYS_CHANGE)
    return FirstSteps(
        account.slug,
        (
            Step("Support activates the account.", f"{page}: Activate.", active),
            Step(
                "Support enables the APIs that you need.",
                f"{page}: Enable APIs. Or on the server: {PROGRAM} enable_api API {account.slug}.",
                enabled,
            ),
            Step("You add API keys here." if adds else "An Administrator of the account adds API keys.", ""),
        ),
        settings.SUPPORT_CONTACT,
    )


def get_first_call_steps(account: Account) -> FirstSteps:
    """Return the steps of an account that has keys and whose log has no call."""
    return FirstSteps(
        account.slug,
        (
            Step("Support activates the account and enables APIs for it.", "", done=True),
            Step("An Administrator of the account adds API keys.", "", done=True),
            Step(
                "Support sets up the proxy in front of the API, which asks Keyward about each call.",
                "On the server: docs/gateways.md has the configuration of each proxy.",
            ),
            Step(
                "An application makes its first call with a key.",
                "The documentation on the key's page has a request to try. The call then appears here.",
            ),
        ),
        settings.SUPPORT_CONTACT,
    )
