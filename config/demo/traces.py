"""What is known of the demo's calls beside the log: the last use of each secret, and the networks of each key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_network
from uuid import UUID

from accounts.models import Account
from audit.usage.sightings import IPV4_PREFIX_LENGTH, Sighting
from config.demo.history import MadeCall
from core.actor import Actor
from gateway.last_use import MAX_ADDRESSES
from keys.models import Key, SecretUse
from keys.notices.services.networks import record_networks


def insert_last_uses(allowed: Iterable[MadeCall]) -> None:
    """Insert the last use of each secret, as gateways do. `allowed` are in the order of their times."""
    uses: dict[UUID, dict[str, datetime]] = defaultdict(dict)
    for call in allowed:
        addresses, address = uses[call.secret], str(call.decision.call.client_address)
        addresses.pop(address, None)
        addresses[address] = call.at
    SecretUse.objects.bulk_create(
        SecretUse(
            secret_id=secret,
            used_at=max(addresses.values()),
            address=list(addresses)[-1],
            addresses={address: at.isoformat() for address, at in list(addresses.items())[-MAX_ADDRESSES:]},
        )
        for secret, addresses in uses.items()
    )


def record_known_networks(allowed: Iterable[MadeCall], by: Actor) -> None:
    """Write down the networks of these calls, so that later ones from elsewhere are noticed."""
    last_calls = {(call.key, call.decision.call.client_address): call for call in allowed}
    seen: dict[Account, dict[Key, list[Sighting]]] = defaultdict(lambda: defaultdict(list))
    for (key, address), call in last_calls.items():
        network = ip_network(f"{address}/{IPV4_PREFIX_LENGTH}", strict=False)
        seen[key.account][key].append(Sighting(key.account_id, key.public_id, network, call.at))
    for account, sightings in seen.items():
        record_networks(account=account, seen=sightings, by=by)
