"""Write down the networks that keys are used from, and acknowledge new ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.db import transaction

from accounts.models import Account
from audit.trail.record import record
from audit.usage.sightings import Sighting
from core.actor import Actor
from core.permissions import Permission
from keys.decision.addresses import Network
from keys.models import Key
from keys.notices.kinds import Kind
from keys.notices.models import KeyNetwork, Notice
from keys.notices.services.notices import Finding, make_notices
from keys.notices.words import describe_key, format_instant
from keys.services.locks import build_key_target, lock_for_change

MAX_NAMED = 20


@transaction.atomic
def record_networks(*, account: Account, seen: Mapping[Key, Sequence[Sighting]], by: Actor) -> list[Notice]:
    """Write down the networks, and make a notice for each key that has new ones; return the notices.

    The networks of a key of which none is written down are where it was put to work: they are known. Raise Denied.
    """
    with_networks = set(KeyNetwork.objects.filter(key__in=list(seen)).values_list("key_id", flat=True))
    rows, findings = [], []
    for key, sightings in seen.items():
        is_new = key.pk in with_networks
        rows += [
            KeyNetwork(key=key, network=each.network, known=not is_new, first_seen_at=each.last_seen)
            for each in sightings
        ]
        if is_new:
            findings.append(_build_finding(key, sightings))
    # Another host that writes the same down waits here for this commit, and then finds the notices made.
    KeyNetwork.objects.bulk_create(rows, ignore_conflicts=True)
    return make_notices(account=account, kind=Kind.KEY_NEW_NETWORK, findings=findings, by=by) if findings else []


@transaction.atomic
def acknowledge_networks(*, key: Key, networks: Collection[Network], by: Actor) -> int:
    """Mark new networks of the key as known, and return how many that changes. Raise Denied, AccountNotActive,
    Key.DoesNotExist."""
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    rows = KeyNetwork.objects.filter(key=key, known=False, network__in=list(networks))
    found = sorted(str(network) for network in rows.values_list("network", flat=True))
    if found:
        rows.update(known=True)
        target = build_key_target(key)
        record("key.networks_acknowledged", by=by, account_id=key.account_id, target=target, networks=found)
    return len(found)


def _build_finding(key: Key, sightings: Sequence[Sighting]) -> Finding:
    networks = sorted(str(each.network) for each in sightings)
    last_seen = max(each.last_seen for each in sightings)
    data = {
        "key": describe_key(key),
        "networks": networks[:MAX_NAMED],
        "count": len(networks),
        "last_seen_at": format_instant(last_seen),
    }
    # New networks, so no other notice of this key has the first of them.
    return Finding(f"{key.public_id} {networks[0]}", data, key)
