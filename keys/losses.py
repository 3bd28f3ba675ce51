"""What a save would refuse of what was allowed in the last 30 days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from itertools import chain

from audit.uses import MAX_GROUPS, Use, uses_of
from keys.addresses import Network, Rule, matching_rule, parse_address, rules
from keys.containment import with_contained
from keys.models import IpListEntry, Key
from keys.terms import MOST_ADDRESSES, Terms

MAX_SHOWN = 10
Contained = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Losses:
    """Addresses and modules (by slug) whose calls were allowed and would be refused, the most used first; false if
    there are none. `room` is for how many more addresses the key's own entries have room. `back_to` and `of_each_hour`
    are those of audit.uses.Uses."""

    addresses: Sequence[Use] = ()
    modules: Sequence[Use] = ()
    room: int = MOST_ADDRESSES
    back_to: datetime | None = None
    of_each_hour: int = 0

    def __bool__(self) -> bool:
        return bool(self.addresses or self.modules)

    @property
    def shown(self) -> Sequence[Use]:
        return self.addresses[:MAX_SHOWN]

    @property
    def unshown(self) -> int:
        return len(self.addresses) - len(self.shown)

    @property
    def can_be_added(self) -> bool:
        return len(self.addresses) <= self.room

    @property
    def networks(self) -> list[Network]:
        return [ip_network(use.what) for use in self.addresses]


def find_losses(key: Key, before: Terms, after: Terms, contained: Contained) -> Losses:
    """Return what calls with the key would lose by these terms. `contained` says what modules contain."""
    narrows_addresses = bool(after.networks or after.ip_lists) and (
        set(before.networks) != set(after.networks) or before.ip_lists != after.ip_lists
    )
    narrows_modules = after.modules is not None and before.modules != after.modules
    if not (narrows_addresses or narrows_modules):
        return Losses()
    uses = uses_of(key.account_id, key.public_id)
    admitting = rules_of_lists(before.ip_lists | after.ip_lists)
    addresses = [
        use for use in uses.addresses if admits(before, admitting, use.what) and not admits(after, admitting, use.what)
    ]
    modules = [
        use for use in uses.modules if grants(before, contained, use.what) and not grants(after, contained, use.what)
    ]
    # Where even the addresses that were counted are not all, they cannot all be added.
    room = MOST_ADDRESSES - len(after.networks) if len(uses.addresses) < MAX_GROUPS else 0
    return Losses(addresses, modules, room, uses.back_to, uses.of_each_hour)


def admits(terms: Terms, admitting: Mapping[int, Sequence[Rule]], address: str) -> bool:
    """Return whether a call from the address passes, as keys.access decides it."""
    if not terms.networks and not terms.ip_lists:
        return True
    parsed = parse_address(address)
    among = chain(rules(terms.networks), *(admitting.get(pk, ()) for pk in terms.ip_lists))
    return parsed is not None and matching_rule(parsed, among) is not None


def grants(terms: Terms, contained: Contained, slug: str) -> bool:
    return terms.modules is None or slug in with_contained(terms.modules, contained)


def rules_of_lists(lists: Iterable[int]) -> dict[int, Sequence[Rule]]:
    """Return what the live entries of each list admit."""
    networks: dict[int, list[Network]] = {pk: [] for pk in lists}
    entries = IpListEntry.objects.filter(ip_list__in=networks, enabled=True) if networks else ()
    for entry in entries:
        networks[entry.ip_list_id].append(entry.network)
    return {pk: rules(live) for pk, live in networks.items()}
