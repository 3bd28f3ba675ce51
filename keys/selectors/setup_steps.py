"""Determine what is left to do for Support on a new installation, until the first call was allowed."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import Account, User
from core.permissions import Role
from core.program import PROGRAM
from keys.models import Api, Enablement, Key, SecretUse
from keys.selectors.first_steps import Step
from keys.selectors.proxy_contact import get_last_contacts


def list_setup_steps() -> list[Step]:
    """Return the steps in order; nothing once a call was allowed."""
    if SecretUse.objects.exists():
        return []
    account = Account.objects.order_by("pk").first()
    return [
        Step(
            "Add an API with its OpenAPI document and policy.",
            f"Or on the server: {PROGRAM} import_api DOCUMENT --policy POLICY.",
            Api.objects.exists(),
            reverse("admin:keys_api_new"),
            "Add API",
        ),
        Step(
            "Create an account and its first Administrator.",
            f"On the server: {PROGRAM} create_account SLUG NAME EMAIL NICKNAME.",
            account is not None,
        ),
        *_list_steps_of_account(account),
        _build_proxy_step(),
        Step(
            "The Administrator signs in and adds the first key.",
            "The overview of the account leads to it.",
            Key.objects.exists(),
        ),
        Step(
            "An application makes its first call with it.", "The documentation on the key's page has a request to try."
        ),
    ]


def _list_steps_of_account(account: Account | None) -> list[Step]:
    """Return what is done on the page of an account: the first one, while none has it."""
    administrators = User.objects.filter(account__isnull=False, is_active=True, roles__contains=[Role.ADMINISTRATOR])

    def build(text: str, done: bool, button: str, action: str) -> Step:
        url = reverse(f"admin:accounts_account_{button}", args=[account.pk]) if account else ""
        return Step(text, done=done, url=url, action=action)

    active = Account.objects.filter(status=Account.Status.ACTIVE).exists()
    return [
        build("Activate the account.", active, "activate", "Activate"),
        build("Appoint an Administrator of it.", administrators.exists(), "appoint-administrator", "Appoint"),
        build("Enable an API for the account.", Enablement.objects.exists(), "enable-apis", "Enable APIs"),
    ]


def _build_proxy_step() -> Step:
    """Return the step of the proxies, with the time of the last call that one of them asked about."""
    heard_at = max(get_last_contacts(set(Api.objects.values_list("slug", flat=True))).values(), default=None)
    return Step(
        "Set up the proxy in front of the API, which asks Keyward about each call.",
        f"Never heard from. docs/gateways.md has the configuration of each proxy, and {PROGRAM} doctor tries it.",
        heard_at is not None,
        heard_at=heard_at,
    )
