"""What notices are made of: networks that keys were used from, retired secrets that are still presented. Read from the
roll-ups, so it lags behind the calls by up to two hours."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

from audit.models import Usage

IPV4_PREFIX_LENGTH, IPV6_PREFIX_LENGTH = 24, 48
_UNTIL = "SELECT max(until) FROM audit_usage_state"
_NETWORKS = """
    SELECT u.account_id, u.key_id, network(set_masklen(
            u.client_address, CASE family(u.client_address) WHEN 4 THEN %(four)s ELSE %(six)s END))::text,
        max(u.last_seen)
    FROM audit_usage u
    WHERE u.reason = '' AND u.client_address IS NOT NULL AND u.last_seen >= %(since)s {days}
    GROUP BY 1, 2, 3
"""
# By the primary key of the days' sums, so that only what was used on these days is read.
_ON_DAYS = "AND u.id IN (SELECT usage_id FROM audit_usage_day WHERE day >= %(day)s)"


class Sighting(NamedTuple):
    """Allowed calls with a key from a network: a /24 of IPv4, a /48 of IPv6."""

    account_id: int
    key_id: str
    network: IPv4Network | IPv6Network
    last_seen: datetime


def get_summed_until() -> datetime | None:
    """Return the time up to which calls are summed by key and address."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTIL)
        (until,) = cursor.fetchone()
    return until


def list_networks(since: datetime | None) -> list[Sighting]:
    """Return the networks that keys were used from since then; None for as long as the roll-ups go back."""
    after = since or datetime.min.replace(tzinfo=UTC)
    values: dict[str, Any] = {"four": IPV4_PREFIX_LENGTH, "six": IPV6_PREFIX_LENGTH, "since": after}
    values["day"] = after.astimezone(UTC).date()
    with connection.cursor() as cursor:
        cursor.execute(_NETWORKS.format(days=_ON_DAYS if since else ""), values)
        rows = cursor.fetchall()
    return [Sighting(account, key, ip_network(network), seen) for account, key, network, seen in rows]


def list_retired_secret_uses(key_ids: Collection[str]) -> dict[str, datetime]:
    """Return when a retired secret of each key was last presented."""
    uses = Usage.objects.filter(key_id__in=key_ids, reason="secret_retired")
    return dict(uses.values_list("key_id").annotate(last=Max("last_seen")))
