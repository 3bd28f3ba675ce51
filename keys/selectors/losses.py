"""Determine which calls of the last 30 days were allowed and would be refused after a save."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from itertools import chain
from typing import NamedTuple

from django.db.models import F

from audit.calls.uses import MAX_GROUPS, KeyUse, Use, get_uses, list_uses_within
from keys.decision.addresses import Network, Rule, build_rules, find_matching_rule, parse_address
from keys.decision.containment import expand_contained
from keys.ip_lists.entries import MAX_ENTRIES
from keys.key_settings import MAX_ADDRESSES, KeySettings
from keys.models import IpList, IpListEntry, Key

MAX_SHOWN = 10
MAX_KEYS = 100
Contained = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Losses:
    """Addresses and modules (by slug) whose calls were allowed and would be refused, most used first; false if none.

    `room` is how many more addresses the key's own entries can take. `scanned_since` and `of_each_hour` are those of
    audit.calls.uses.Uses.
    """

    addresses: Sequence[Use] = ()
    modules: Sequence[Use] = ()
    room: int = MAX_ADDRESSES
    scanned_since: datetime | None = None
    of_each_hour: int = 0

    def __bool__(self) -> bool:
        return bool(self.addresses or self.modules)

    @property
    def top(self) -> Sequence[Use]:
        return self.addresses[:MAX_SHOWN]

    @property
    def hidden_count(self) -> int:
        return len(self.addresses) - len(self.top)

    @property
    def can_be_added(self) -> bool:
        return len(self.addresses) <= self.room

    @property
    def networks(self) -> list[Network]:
        return [ip_network(use.what) for use in self.addresses]


@dataclass(frozen=True, slots=True)
class KeyLoss:
    """A key and an address that calls with it were allowed from."""

    key: Key
    use: KeyUse


@dataclass(frozen=True, slots=True)
class ListLosses:
    """Calls with the list's keys that a change of the list would refuse; false if none.

    `keys` is how many keys were checked, of the `of_keys` that use the list; `room` is how many more entries the list
    can take.
    """

    found: Sequence[KeyLoss] = ()
    keys: int = 0
    of_keys: int = 0
    room: int = 0

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def top(self) -> Sequence[KeyLoss]:
        return self.found[:MAX_SHOWN]

    @property
    def hidden_count(self) -> int:
        return len(self.found) - len(self.top)

    @property
    def networks(self) -> list[Network]:
        return [ip_network(address) for address in dict.fromkeys(loss.use.address for loss in self.found)]

    @property
    def can_be_added(self) -> bool:
        # At MAX_GROUPS the result is truncated, so adding these would not be complete.
        return len(self.networks) <= self.room and len(self.found) < MAX_GROUPS


class Admission(NamedTuple):
    """The addresses that calls with a key are accepted from, as keys.decision.access decides."""

    restricted: bool
    rules: Sequence[Rule]

    @classmethod
    def from_settings(
        cls, key_settings: KeySettings, of_lists: Mapping[int, Sequence[Rule]], more: Iterable[Network] = ()
    ) -> Admission:
        networks = (*key_settings.networks, *more)
        from_lists = chain.from_iterable(of_lists.get(pk, ()) for pk in key_settings.ip_lists)
        return cls(bool(networks or key_settings.ip_lists), (*build_rules(networks), *from_lists))

    def admits(self, address: str) -> bool:
        parsed = parse_address(address)
        return not self.restricted or (parsed is not None and find_matching_rule(parsed, self.rules) is not None)


def find_losses(
    key: Key, before: KeySettings, after: KeySettings, contained: Contained, new_list: Collection[Network] = ()
) -> Losses:
    """Return the calls with the key that these settings would refuse.

    `contained` maps modules to those that they contain; `new_list` are the networks of an IP list created in the same
    save.
    """
    same = set(before.networks) == set(after.networks) and before.ip_lists == after.ip_lists and not new_list
    unrestricted = not (after.networks or after.ip_lists or new_list)
    narrows_modules = after.modules is not None and before.modules != after.modules
    if (same or unrestricted) and not narrows_modules:
        return Losses()
    uses = get_uses(key.account_id, key.public_id)
    of_lists = get_list_rules(before.ip_lists | after.ip_lists)
    was, will = Admission.from_settings(before, of_lists), Admission.from_settings(after, of_lists, new_list)
    addresses = [use for use in uses.addresses if was.admits(use.what) and not will.admits(use.what)]
    modules = [
        use
        for use in uses.modules
        if is_granted(before, contained, use.what) and not is_granted(after, contained, use.what)
    ]
    # At MAX_GROUPS the addresses are truncated, so adding these would not be complete.
    room = MAX_ADDRESSES - len(after.networks) if len(uses.addresses) < MAX_GROUPS else 0
    return Losses(addresses, modules, room, uses.scanned_since, uses.of_each_hour)


def find_list_losses(ip_list: IpList, gone: Collection[Network], left: Collection[Network]) -> ListLosses:
    """Return the calls with the list's keys that would be refused if the list admitted only `left` and no longer
    `gone`.

    Only the MAX_KEYS most recently used keys are checked.
    """
    using = Key.objects.filter(list_grants__ip_list=ip_list, deleted_at=None)
    if not gone or not using.exists():
        return ListLosses()
    related = using.select_related("owner").prefetch_related("addresses", "ip_lists", "modules").defer("api__document")
    keys = {key.public_id: key for key in related.order_by(F("listing__used_at").desc(nulls_last=True))[:MAX_KEYS]}
    key_settings = {public_id: KeySettings.from_key(key) for public_id, key in keys.items()}
    of_lists = get_list_rules({pk for of_key in key_settings.values() for pk in of_key.ip_lists} - {ip_list.pk})
    of_lists[ip_list.pk] = build_rules(left)
    admission = {public_id: Admission.from_settings(of_key, of_lists) for public_id, of_key in key_settings.items()}
    uses = list_uses_within(ip_list.account_id, keys, list(map(str, gone)))
    found = [KeyLoss(keys[use.key_id], use) for use in uses if not admission[use.key_id].admits(use.address)]
    return ListLosses(found, len(keys), using.count(), MAX_ENTRIES - ip_list.entries.count())


def is_granted(key_settings: KeySettings, contained: Contained, slug: str) -> bool:
    return key_settings.modules is None or slug in expand_contained(key_settings.modules, contained)


def get_list_rules(lists: Iterable[int]) -> dict[int, Sequence[Rule]]:
    """Return the rules of each list's enabled entries by the list's primary key."""
    networks: dict[int, list[Network]] = {pk: [] for pk in lists}
    entries = IpListEntry.objects.filter(ip_list__in=networks, enabled=True) if networks else ()
    for entry in entries:
        networks[entry.ip_list_id].append(entry.network)
    return {pk: build_rules(live) for pk, live in networks.items()}
