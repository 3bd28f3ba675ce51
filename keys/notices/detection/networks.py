"""First calls of keys from networks that they were not used from before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from django.db.models import QuerySet

from accounts.models import Account
from audit.usage.sightings import Sighting, list_networks
from keys.models import Key
from keys.notices.models import KeyNetwork

# By key, what was not seen before.
Seen = dict[Key, list[Sighting]]


def find(since: datetime | None) -> Iterator[tuple[Account, Seen]]:
    """Yield the sightings since then of networks that are not written down, by account and key; None looks at all that
    is summed."""
    sightings: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in list_networks(since):
        sightings[sighting.key_id].append(sighting)
    known = _list_known(sightings)
    by_account: dict[int, Seen] = defaultdict(dict)
    for key in _load(sightings):
        new = [each for each in sightings[key.public_id] if (key.pk, each.network) not in known]
        if new:
            by_account[key.account_id][key] = new
    for account in Account.objects.filter(pk__in=by_account, status=Account.Status.ACTIVE).order_by("pk"):
        yield account, by_account[account.pk]


def _list_known(sightings: dict[str, list[Sighting]]) -> set[tuple[int, object]]:
    rows = KeyNetwork.objects.filter(key__public_id__in=list(sightings))
    return set(rows.values_list("key_id", "network"))


def _load(sightings: dict[str, list[Sighting]]) -> QuerySet[Key]:
    keys = Key.objects.filter(public_id__in=list(sightings), deleted_at=None).select_related("api", "owner")
    return keys.defer("api__document", "api__policy").order_by("pk")
