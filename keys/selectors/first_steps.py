"""What must happen before an account can have keys: which steps are left, who takes each, and how."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings

from accounts.models import Account, User
from core.authorization import has_permission
from core.permissions import Permission
from keys.visibility import get_enabled_apis


class Step(NamedTuple):
    """`how` is empty where there is nothing to explain."""

    text: str
    how: str
    done: bool = False


class FirstSteps(NamedTuple):
    """The steps of one account, in their order. `contact` is where Support is reached, by mail or on the web; empty if
    the installation does not say."""

    account: str
    steps: tuple[Step, ...]
    contact: str

    @property
    def contact_url(self) -> str:
        return f"mailto:{self.contact}" if self.contact and "://" not in self.contact else self.contact


def get_first_steps(user: User, *, has_apis: bool | None = None) -> FirstSteps | None:
    """Return what the reader's account waits for; None once it can have keys, and while it is suspended. `has_apis` is
    for callers who have looked already."""
    account = user.account
    if account is None or account.status == Account.Status.SUSPENDED:
        return None
    active = account.status == Account.Status.ACTIVE
    enabled = get_enabled_apis(user).exists() if has_apis is None else has_apis
    if active and enabled:
        return None
    page = f"at /admin/, Accounts, {account.slug}"
    adds = has_permission(user, Permission.KEYS_CHANGE)
    return FirstSteps(
        account.slug,
        (
            Step("Support activates the account.", f"Activate, {page}.", active),
            Step(
                "Support enables the APIs that you need.",
                f"Enable APIs, {page}; or on the server, manage.py enable_api API {account.slug}.",
                enabled,
            ),
            Step("You add API keys here." if adds else "An Administrator of the account adds API keys.", ""),
        ),
        settings.SUPPORT_CONTACT,
    )
