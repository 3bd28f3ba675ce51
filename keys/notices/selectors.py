"""Read switches, notices and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Prefetch, QuerySet

from accounts.models import Account
from keys.notices.kinds import Kind
from keys.notices.models import Delivery, Endpoint, Notice, NoticeSwitch

SHOWN_NOTICES = 20
SHOWN_DELIVERIES = 50


class Channels(NamedTuple):
    """By which channels an account gets notices of a kind."""

    mail: bool
    webhook: bool


EVERY_CHANNEL = Channels(mail=True, webhook=True)


def get_channels(account: Account, kind: Kind) -> Channels:
    return list_channels(account)[kind]


def list_channels(account: Account) -> Mapping[Kind, Channels]:
    """Return the channels of every kind; a kind that was never switched has both."""
    rows = NoticeSwitch.objects.filter(account=account).values_list("kind", "mail", "webhook")
    switched = {kind: Channels(mail, webhook) for kind, mail, webhook in rows}
    return {kind: switched.get(kind, EVERY_CHANNEL) for kind in Kind}


def list_latest_notices(account: Account) -> QuerySet[Notice]:
    """Return the account's newest notices with their deliveries."""
    deliveries = Delivery.objects.select_related("user", "endpoint").order_by("pk")
    notices = Notice.objects.filter(account=account).order_by("-created_at", "-pk")
    return notices.prefetch_related(Prefetch("deliveries", deliveries))[:SHOWN_NOTICES]


def list_endpoints(account: Account) -> QuerySet[Endpoint]:
    """Return the account's webhook endpoints, the oldest first."""
    return Endpoint.objects.filter(account=account).select_related("account").order_by("created_at", "pk")


def list_latest_deliveries(endpoint: Endpoint) -> QuerySet[Delivery]:
    """Return the newest deliveries to the endpoint."""
    deliveries = Delivery.objects.filter(endpoint=endpoint).select_related("notice")
    return deliveries.order_by("-notice__created_at", "-pk")[:SHOWN_DELIVERIES]
