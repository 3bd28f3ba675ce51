"""Find what is granted but was not used for some time: keys, modules, address entries, IP list entries, overlaps."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Literal, NamedTuple

from django.db import connection
from django.db.models import BooleanField, Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from accounts.models import Account
from audit.trail.selectors import list_api_changes, list_events
from audit.usage.unused import Use, build_network_conditions, list_allowed_uses, list_last_uses, list_recent_uses
from keys.decision.addresses import Network, format_network
from keys.decision.containment import expand_contained
from keys.models import Address, Api, IpListEntry, Key, KeyIpList, Secret
from keys.selectors.keys import get_modules_by_api

# Keys whose grants are compared at a time, all of an account.
CHUNK = 200


# Whether a key has a module on which no call was allowed since then, nor on one that it contains. Plain SQL, because
# composing it takes Django longer than PostgreSQL takes to run it. As a value, not a join: of the keys of a page alone.
UNUSED_MODULE = """
    (SELECT EXISTS (
        SELECT FROM keys_module m WHERE m.api_id = keys_key.api_id
            AND (keys_key.all_modules
                OR EXISTS (SELECT FROM keys_keymodule g WHERE g.key_id = keys_key.id AND g.module_id = m.id))
            AND NOT EXISTS (
                SELECT FROM audit_usage u
                WHERE u.key_id = keys_key.public_id AND u.reason = '' AND u.last_seen >= %s
                    AND (u.module = m.slug OR jsonb_exists(m.contained, u.module))
            )
    ))
"""
# Plain SQL for the same reason.
GRANTED = "SELECT key_id, slug FROM keys_keymodule g JOIN keys_module m ON m.id = g.module_id WHERE key_id = ANY (%s)"


class UnusedGrant(NamedTuple):
    """A module (its slug) or an address entry, and when it was last used, as far as the log goes back."""

    value: str
    name: str
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class KeyGrants:
    """A key that is used, and those of its grants that are not. `uses_others` is whether any of the same kind is left
    without them."""

    key: Key
    unused: Sequence[UnusedGrant]
    uses_others: bool


def list_unused_keys(keys: QuerySet[Key], since: datetime) -> QuerySet[Key]:
    """Return the keys that work, were created before `since`, and were not used from then on."""
    # The listing's indexes begin with the account; PostgreSQL does not infer this condition from the join.
    return keys.filter(build_unused_condition(since), listing__account=F("account")).order_by("pk")


def build_unused_condition(since: datetime) -> Q:
    """Return the condition for keys of `list_unused_keys`."""
    return _build_working_condition(since) & (Q(listing__used_at=None) | Q(listing__used_at__lt=since))


def list_keys_with_unused_modules(keys: QuerySet[Key], since: datetime) -> QuerySet[Key]:
    """Return the keys that are used, but not each of their modules since then."""
    unused = RawSQL(UNUSED_MODULE, [since], BooleanField())  # noqa: S611 - a constant text
    return _list_used(keys, since).filter(unused).order_by("pk")


def list_keys_with_unused_addresses(keys: QuerySet[Key], since: datetime) -> QuerySet[Key]:
    """Return the keys that are used, but not from each of their own address entries since then."""
    uses = list_allowed_uses(since).filter(key_id=OuterRef(OuterRef("public_id")))
    used = uses.filter(*build_network_conditions(OuterRef("network")))
    entries = Address.objects.filter(key=OuterRef("pk")).filter(~Exists(used))
    return _list_used(keys, since).filter(Exists(entries)).order_by("pk")


def list_unused_entries(account_id: int, since: datetime) -> QuerySet[IpListEntry]:
    """Return the enabled entries of lists in use from whose addresses no key of the list was used since then."""
    users = KeyIpList.objects.filter(ip_list=OuterRef("ip_list"), key__deleted_at=None)
    # Of each call from the network in turn, not first of all keys of the list.
    of_list = KeyIpList.objects.filter(key__public_id=OuterRef("key_id"), ip_list=OuterRef(OuterRef("ip_list")))
    uses = list_allowed_uses(since).filter(Exists(of_list), account_id=account_id)
    used = uses.filter(*build_network_conditions(OuterRef("network")))
    entries = IpListEntry.objects.filter(ip_list__account=account_id, enabled=True, created_at__lt=since)
    return entries.filter(Exists(users), ~Exists(used)).select_related("ip_list").order_by("pk")


def list_unused_overlaps(keys: QuerySet[Key]) -> QuerySet[Secret]:
    """Return the old secrets that still work although only the new one was used since the change."""
    current = Secret.objects.filter(key=OuterRef("key"), retires_at=None)
    used_since = current.filter(created_at__lte=OuterRef("use__used_at"))
    new_used = current.filter(use__isnull=False)
    old = Secret.objects.filter(key__in=keys.filter(enabled=True), retires_at__gt=Now()).filter(
        ~Exists(used_since), Exists(new_used)
    )
    return old.select_related("key__api", "use").defer("key__api__document").order_by("key")


def count_unused(account: Account, since: datetime) -> dict[str, int]:
    """Return how many keys, modules, addresses, IP list entries and old secrets of the account are unused."""
    keys = Key.objects.filter(account=account, deleted_at=None)
    modules = list_keys_with_unused_modules(keys, since)
    addresses = list_keys_with_unused_addresses(keys, since)
    by_module = (find_unused_modules(chunk, since) for chunk in _load(modules))
    by_address = (find_unused_addresses(chunk, since) for chunk in _load(addresses, "addresses", "ip_lists"))
    return {
        "keys": list_unused_keys(keys, since).count(),
        "modules": sum(len(grants.unused) for chunk in by_module for grants in chunk),
        "addresses": sum(len(grants.unused) for chunk in by_address for grants in chunk),
        "ip_list_entries": len(drop_used_entries(list_unused_entries(account.pk, since), since)),
        "old_secrets": list_unused_overlaps(keys).count(),
    }


def find_unused_modules(keys: Sequence[Key], since: datetime) -> list[KeyGrants]:
    """Return the modules that each of the keys does not use, without those that the key keeps through another one."""
    by_api = get_modules_by_api({key.api_id for key in keys})
    last = _find_last_uses(keys, since, "module")
    recent = _find_recent_grants(keys, since, "modules", {key.public_id: by_api[key.api_id].names for key in keys})
    new = _find_new_modules(keys, since)
    granted_modules = _find_granted(keys)
    found = []
    for key in keys:
        names, contained = by_api[key.api_id].names, by_api[key.api_id].contained
        granted = set(names) if key.all_modules else granted_modules[key.pk]
        times: dict[str, datetime] = {}
        for use, at in last[key.public_id]:
            for slug in granted:
                if use.module == slug or use.module in contained[slug]:
                    times[slug] = max(times.get(slug, at), at)
        unused = {slug for slug in granted if slug not in times or times[slug] < since}
        unused -= recent[key.public_id] | new[key.api.slug]
        still_granted = granted - unused
        kept = expand_contained(still_granted, contained)
        unused -= kept
        grants = [UnusedGrant(slug, name, times.get(slug)) for slug, name in names.items() if slug in unused]
        if grants:
            found.append(KeyGrants(key, grants, bool(still_granted)))
    return found


def find_unused_addresses(keys: Sequence[Key], since: datetime) -> list[KeyGrants]:
    """Return the own address entries from which each of the keys is not used."""
    last = _find_last_uses(keys, since, "client_address")
    recent = _find_recent_grants(keys, since, "addresses")
    found = []
    for key in keys:
        grants = []
        entries = [entry.network for entry in key.addresses.all()]
        for network in entries:
            used_at = _find_last_use_from(network, last[key.public_id])
            if str(network) not in recent[key.public_id] and (used_at is None or used_at < since):
                grants.append(UnusedGrant(str(network), format_network(network), used_at))
        if grants:
            found.append(KeyGrants(key, grants, len(grants) < len(entries) or bool(key.ip_lists.all())))
    return found


def drop_used_entries(entries: Iterable[IpListEntry], since: datetime) -> list[IpListEntry]:
    """Return the entries without those that were used since the roll-ups end."""
    entries = list(entries)
    uses = KeyIpList.objects.filter(ip_list__in={entry.ip_list_id for entry in entries})
    keys_of: dict[int, set[str]] = defaultdict(set)
    for ip_list, public_id in uses.values_list("ip_list", "key__public_id"):
        keys_of[ip_list].add(public_id)
    recent = list_recent_uses({each for keys in keys_of.values() for each in keys}, since, "client_address")
    return [
        entry
        for entry in entries
        if not any(use.key_id in keys_of[entry.ip_list_id] and _is_from(use, entry.network) for use in recent)
    ]


def _load(keys: QuerySet[Key], *related: str) -> Iterator[list[Key]]:
    """Yield the keys with these relations, some at a time."""
    found = list(keys.values_list("pk", flat=True))
    for start in range(0, len(found), CHUNK):
        rows = Key.objects.filter(pk__in=found[start : start + CHUNK]).order_by("pk")
        yield list(rows.prefetch_related(Prefetch("api", Api.objects.defer("document")), *related))


def _build_working_condition(since: datetime) -> Q:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    return unexpired & Q(enabled=True, created_at__lt=since)


def _list_used(keys: QuerySet[Key], since: datetime) -> QuerySet[Key]:
    return keys.filter(_build_working_condition(since), listing__account=F("account"), listing__used_at__gte=since)


def _find_granted(keys: Sequence[Key]) -> Mapping[int, set[str]]:
    """Return the slugs of the modules that each key was granted itself, by its primary key."""
    found: dict[int, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(GRANTED, [[key.pk for key in keys]])
        for key_id, slug in cursor.fetchall():
            found[key_id].add(slug)
    return found


def _find_last_uses(
    keys: Sequence[Key], since: datetime, by: Literal["module", "client_address"]
) -> Mapping[str, list[tuple[Use, datetime]]]:
    """Return the uses of each key, by module or address, with the time of the last one; those that are not summed yet
    count as of now."""
    found: dict[str, list[tuple[Use, datetime]]] = defaultdict(list)
    public_ids, now = [key.public_id for key in keys], datetime.now(since.tzinfo)
    # Before the sums, so that calls that are summed in between are found twice, not missed.
    for use in list_recent_uses(public_ids, since, by):
        found[use.key_id].append((use, now))
    for use, at in list_last_uses(public_ids, by):
        found[use.key_id].append((use, at))
    return found


def _find_last_use_from(network: Network, uses: Iterable[tuple[Use, datetime]]) -> datetime | None:
    return max((at for use, at in uses if _is_from(use, network)), default=None)


def _is_from(use: Use, network: Network) -> bool:
    return use.address is not None and ip_address(use.address) in network


def _find_recent_grants(
    keys: Sequence[Key], since: datetime, setting: str, every: Mapping[str, Iterable[str]] = MappingProxyType({})
) -> Mapping[str, set[str]]:
    """Return what each key was granted since then, by the trail. `every` is what its events call "all"."""
    found: dict[str, set[str]] = defaultdict(set)
    if keys:
        events = list_events(keys[0].account_id).filter(target_kind="key", name="key.edited", at__gte=since)
        targets = [key.public_id for key in keys]
        for target, body in events.filter(target_id__in=targets).values_list("target_id", "body"):
            old, new = json.loads(body)["data"]["changes"].get(setting, ("all", "all"))
            if old != "all":
                found[str(target)] |= set(every[str(target)] if new == "all" else new) - set(old)
    return found


def _find_new_modules(keys: Sequence[Key], since: datetime) -> Mapping[str, set[str]]:
    """Return the modules that each API got since then, by its slug."""
    found: dict[str, set[str]] = defaultdict(set)
    apis = {key.api.slug for key in keys}
    for slug, changes in list_api_changes(apis, since):
        old, new = changes.get("modules", ((), ()))
        found[slug] |= {text.split(" ")[0] for text in new} - {text.split(" ")[0] for text in old}
    return found
