"""Write a key's settings: columns, addresses, IP lists and modules. Shared by creation and editing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accounts.models import Account
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy_parsing import FLAGS
from keys.decision.addresses import Network
from keys.ip_lists.entries import NO_ENTRIES, NewList
from keys.ip_lists.services import insert_list
from keys.key_settings import Invalid, IpListNetworks, IpListsById, KeySettings
from keys.models import Address, IpList, IpListEntry, Key, KeyIpList, KeyModule, Module

# Columns of the key that hold its settings.
SETTINGS_COLUMNS = ("name", "fields", "expires_at", "all_modules", "rotation_days", "rotation_overlap", *FLAGS)


def get_modules_by_slug(api_id: int) -> dict[str, Module]:
    """Return the API's modules by slug, in order."""
    return {module.slug: module for module in Module.objects.filter(api=api_id).order_by("position")}


def lock_lists(account: Account, list_ids: Collection[int]) -> IpListsById:
    """Lock the account's lists with these IDs until the commit, and return them with their enabled entries."""
    if not list_ids:
        return {}
    rows = IpList.objects.select_for_update(no_key=True).filter(account=account, pk__in=list_ids).order_by("pk")
    names = {ip_list.pk: ip_list.name for ip_list in rows}
    live: dict[int, list[Network]] = {pk: [] for pk in names}
    for entry in IpListEntry.objects.filter(ip_list__in=names, enabled=True):
        live[entry.ip_list_id].append(entry.network)
    return {pk: IpListNetworks(name, tuple(live[pk])) for pk, name in names.items()}


def insert_new_list(account: Account, new: NewList, by: Actor) -> IpList:
    """Insert a list for a key that is saved with it. Raise Denied, or Invalid with the field names of the key's
    form."""
    authorization.require(by, Permission.IP_LISTS_CHANGE, account=account)
    if not new.entries:
        raise Invalid({"new_list_entries": NO_ENTRIES})
    try:
        return insert_list(account, new)
    except Invalid as problem:
        errors = problem.message_dict
        names = {name: "new_list" if name == "name" else "new_list_entries" for name in errors}
        raise Invalid({names[name]: messages for name, messages in errors.items()}) from None


def apply_columns(key: Key, key_settings: KeySettings) -> None:
    """Copy the settings into the key's columns without saving."""
    key.name, key.fields, key.expires_at = key_settings.name, dict(key_settings.fields), key_settings.expires_at
    key.all_modules = key_settings.modules is None
    schedule = key_settings.scheduled_rotation
    key.rotation_days, key.rotation_overlap = (schedule.days, schedule.overlap) if schedule else (None, "")
    for flag in FLAGS:
        setattr(key, flag, getattr(key_settings, flag))


def sync_grants(key: Key, before: KeySettings | None, after: KeySettings, modules: Mapping[str, Module]) -> None:
    """Insert and delete the rows of addresses, lists and modules that differ between `before` and `after`."""
    old = before or KeySettings(name="")
    if removed := set(old.networks) - set(after.networks):
        key.addresses.filter(network__in=removed).delete()
    new = [network for network in after.networks if network not in set(old.networks)]
    Address.objects.bulk_create(Address(key=key, network=network) for network in new)
    if unlisted := old.ip_lists - after.ip_lists:
        key.list_grants.filter(ip_list__in=unlisted).delete()
    listed = sorted(after.ip_lists - old.ip_lists)
    KeyIpList.objects.bulk_create(KeyIpList(key=key, ip_list_id=pk) for pk in listed)
    old_modules, new_modules = old.modules or frozenset(), after.modules or frozenset()
    if old_modules - new_modules:
        key.grants.filter(module__slug__in=old_modules - new_modules).delete()
    KeyModule.objects.bulk_create(
        KeyModule(key=key, module=modules[slug]) for slug in sorted(new_modules - old_modules)
    )
