"""Keys of the presets, made by the service itself, for tests."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Account, User
from audit.models import Event
from core.actor import Actor, Confirmation
from keys.key_settings import KeySettings
from keys.models import Api, Enablement
from keys.services import CreatedKey, create
from tests.factories.accounts import acting

FIELDS = {"website": "https://shop.example", "platform": "server"}


# What each preset's form would make of the least that a person can fill in.
LEAST: dict[str, dict[str, Any]] = {
    "cloud-pbx": {"name": "dialer", "networks": (ip_network("203.0.113.0/24"),)},
    "billing": {"name": "Invoice robot", "fields": FIELDS},
    "sip-caller": {"name": "Autodialer", "days": 90, "modules": frozenset({"account-reader"})},
    "lms-call-logic": {"name": "", "modules": frozenset({"detailed-reports"})},
    "lynx": {"name": "", "modules": frozenset({"detailed-reports"})},
    "textpeak": {"name": "SMS robot"},
}


def api_for(account: Account, slug: str) -> Api:
    api = Api.objects.get(slug=slug)
    Enablement.objects.get_or_create(account=account, api=api)
    return api


def billing_for(account: Account) -> Api:
    return api_for(account, "billing")


def least(slug: str, **other: Any) -> KeySettings:
    """Return the least terms that a key of this preset can have, but for what is given."""
    key_settings = dict(LEAST[slug])
    if days := key_settings.pop("days", None):
        key_settings["expires_at"] = timezone.now() + timedelta(days=days)
    return KeySettings(**key_settings | other)


def a_key_of(
    slug: str, user: User, *, owner: User | None = None, enabled: bool = True, **key_settings: Any
) -> CreatedKey:
    """Return a key of this preset in the user's account, created by that user, who owns it if nobody else does."""
    token = uuid.uuid4()
    assert user.account is not None
    return create(
        account=user.account,
        api=api_for(user.account, slug),
        key_settings=least(slug, **key_settings),
        owner=owner or user,
        enabled=enabled,
        form_token=token,
        by=confirmed(user, "key.create", str(token)),
    )


def confirmed(user: User, action: str, target: str) -> Actor:
    return acting(user).with_confirmation(Confirmation(action, target, "password"))


def some_settings(*networks: str, **key_settings: Any) -> KeySettings:
    known = KeySettings(
        name="Invoice robot", fields=FIELDS, networks=tuple(ip_network(network) for network in networks)
    )
    return replace(known, **key_settings)


def a_billing_key(
    user: User, *networks: str, enabled: bool = True, owner: User | None = None, **key_settings: Any
) -> CreatedKey:
    """Return a Billing key of the user's account, created by that user."""
    given = tuple(ip_network(network) for network in networks)
    return a_key_of("billing", user, owner=owner, enabled=enabled, **{"networks": given} | key_settings)


def events(name: str) -> list[Event]:
    """Of this test's accounts and of none: the trail keeps what other tests committed."""
    own = Q(account_id__in=Account.objects.values("pk")) | Q(account_id=None)
    return list(Event.objects.filter(own, name=name).order_by("seq"))
