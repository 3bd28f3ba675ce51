"""Determine what must happen before an account's first call: the steps, who takes each, and how."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse

from accounts.models import Account, User
from core.authorization import has_permission
from core.permissions import Permission
from core.program import PROGRAM
from keys.models import Api
from keys.selectors.proxy_contact import get_last_contacts
from keys.visibility import get_enabled_apis, get_visible_keys


class Step(NamedTuple):
    """One step; `how` is empty where no explanation is needed. `url` and `action` are the link with which the reader
    takes it, if they can. `heard_at` is when a proxy last asked, in a step about that."""

    text: str
    how: str = ""
    done: bool = False
    url: str = ""
    action: str = ""
    heard_at: datetime | None = None


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
    enabled = get_enabled_apis(user).exists() if has_apis is None else has_apis
    if account.status == Account.Status.ACTIVE and enabled:
        return None
    adds = has_permission(user, Permission.KEYS_CHANGE)
    last = Step("You add API keys here." if adds else "An Administrator of the account adds API keys.")
    return _build(account, *_list_steps_of_support(account, enabled), last)


def get_first_call_steps(user: User) -> FirstSteps | None:
    """Return the steps of the reader's account until its log has a call; None while it is suspended."""
    account = user.account
    if account is None or account.status == Account.Status.SUSPENDED:
        return None
    apis = list(get_enabled_apis(user))
    newest = get_visible_keys(user).order_by("-created_at", "-pk").first()
    adds = has_permission(user, Permission.KEYS_CHANGE)
    can_add = adds and bool(apis) and account.status == Account.Status.ACTIVE
    key = Step(
        "You add API keys." if adds else "An Administrator of the account adds API keys.",
        "A key lets an application call an API, from the addresses and with the modules that you choose."
        if can_add
        else "",
        done=newest is not None,
        url=reverse("key-new") if can_add else "",
        action="Add API key",
    )
    call = Step(
        "An application makes its first call with a key.",
        "The documentation on the key's page has a request to try. The call then appears here.",
        url=reverse("key-docs", args=[newest.public_id]) if newest else "",
        action=f"Documentation of {newest.name}" if newest else "",
    )
    return _build(account, *_list_steps_of_support(account, bool(apis)), _build_proxy_step(account, apis), key, call)


def _build(account: Account, *steps: Step) -> FirstSteps:
    return FirstSteps(account.slug, steps, settings.SUPPORT_CONTACT)


def _list_steps_of_support(account: Account, enabled: bool) -> tuple[Step, Step]:
    page = f"In /admin/, under Accounts, {account.slug}"
    return (
        Step("Support activates the account.", f"{page}: Activate.", account.status == Account.Status.ACTIVE),
        Step(
            "Support enables the APIs that you need.",
            f"{page}: Enable APIs. Or on the server: {PROGRAM} enable_api API {account.slug}.",
            enabled,
        ),
    )


def _build_proxy_step(account: Account, apis: Collection[Api]) -> Step:
    """Return the step of the proxy, which is done once a proxy asked about each API of the account. It does not say
    when: that may have been for a call of another account."""
    contacts = get_last_contacts([api.slug for api in apis], account.pk)
    silent = [api.name for api in apis if api.slug not in contacts]
    text = "Support sets up the proxy in front of the API, which asks Keyward about each call."
    how = f"On the server: docs/gateways.md has the configuration of each proxy, and {PROGRAM} doctor tries it."
    if silent and len(silent) < len(apis):
        how = f"Not yet for {', '.join(silent)}. {how}"
    return Step(text, how, done=bool(apis) and not silent)
