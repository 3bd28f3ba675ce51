"""Keys of the Billing preset, made by the service itself, for tests."""

from __future__ import annotations

import uuid
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from django.db.models import Q

from accounts.models import Account, User
from audit.actor import Actor, Confirmation
from audit.models import Event
from keys.models import Api, Enablement
from keys.services import Created, create
from keys.terms import Terms
from tests.people import acting

FIELDS = {"website": "https://shop.example", "platform": "server"}


def billing_for(account: Account) -> Api:
    api = Api.objects.get(slug="billing")
    Enablement.objects.get_or_create(account=account, api=api)
    return api


def confirmed(user: User, action: str, target: str) -> Actor:
    return acting(user).confirmed(Confirmation(action, target, "password"))


def some_terms(*networks: str, **terms: Any) -> Terms:
    known = Terms(name="Invoice robot", fields=FIELDS, networks=tuple(ip_network(network) for network in networks))
    return replace(known, **terms)


def a_billing_key(user: User, *networks: str, enabled: bool = True, owner: User | None = None, **terms: Any) -> Created:
    """A key of the user's account, created by that user."""
    token = uuid.uuid4()
    assert user.account is not None
    return create(
        account=user.account,
        api=billing_for(user.account),
        terms=some_terms(*networks, **terms),
        owner=owner,
        enabled=enabled,
        form_token=token,
        by=confirmed(user, "key.create", str(token)),
    )


def events(name: str) -> list[Event]:
    """Of this test's accounts and of none: the trail keeps what other tests committed."""
    own = Q(account_id__in=Account.objects.values("pk")) | Q(account_id=None)
    return list(Event.objects.filter(own, name=name).order_by("seq"))
