"""Read switches, notices and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db import connection
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


def list_failing_endpoints(account: Account) -> QuerySet[Endpoint]:
    """Return the enabled endpoints to which notices are given up, the longest first."""
    return Endpoint.objects.filter(account=account, enabled=True, failing_since__isnull=False).order_by("failing_since")


class KeyWithNewNetworks(NamedTuple):
    """A key, and from how many networks it was used that nobody has acknowledged."""

    public_id: str
    name: str
    networks: int


def list_keys_with_new_networks(account: Account) -> list[KeyWithNewNetworks]:
    """Return the keys of which a notice of the last 30 days said that they were used from new networks, of which some
    are not acknowledged, the newest first. By the notices, because very many networks are known."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT k.public_id, k.name, count(*)
            FROM keys_key k JOIN keys_keynetwork n ON n.key_id = k.id AND NOT n.known
            WHERE k.account_id = %(account)s AND k.deleted_at IS NULL AND k.public_id IN (
                SELECT data -> 'key' ->> 'id' FROM keys_notice
                WHERE account_id = %(account)s AND kind = %(kind)s AND created_at > now() - interval '30 days'
            )
            GROUP BY k.id ORDER BY max(n.first_seen_at) DESC, k.id
            """,
            {"account": account.pk, "kind": Kind.KEY_NEW_NETWORK.value},
        )
        return [KeyWithNewNetworks(*row) for row in cursor.fetchall()]


def list_latest_deliveries(endpoint: Endpoint) -> QuerySet[Delivery]:
    """Return the newest deliveries to the endpoint."""
    deliveries = Delivery.objects.filter(endpoint=endpoint).select_related("notice")
    return deliveries.order_by("-notice__created_at", "-pk")[:SHOWN_DELIVERIES]
