"""The only code that writes IP lists.

Lock order: account, acting user, lists by primary key, audit chain. keys.services.grants locks lists in the same way
before a key is restricted to them, so that whether a list is in use cannot change before the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import Account, User
from audit.trail.events import Target
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.decision.addresses import Network, format_network
from keys.ip_lists.entries import Entry, NewList, clean_entries, clean_list, summarize_entries
from keys.ip_lists.selectors import format_taken_name
from keys.key_settings import Invalid
from keys.models import IpList, IpListEntry, Key

WIDEN = "ip_list.widen"


class ListChanged(Exception):
    """Someone else saved the list in the meantime; `ip_list` is its present state."""

    def __init__(self, ip_list: IpList) -> None:
        super().__init__(f"{ip_list.name} was changed in the meantime.")
        self.ip_list = ip_list


class EntryChanged(Exception):
    """Someone else saved the entry in the meantime; `entry` is its present state."""

    def __init__(self, entry: IpListEntry) -> None:
        super().__init__(f"{entry.network} was changed in the meantime.")
        self.entry = entry


class ListInUse(Exception):
    """Keys are restricted to the lists: {list: its keys}. Nothing was deleted."""

    def __init__(self, uses: dict[IpList, list[Key]]) -> None:
        super().__init__(f"{', '.join(ip_list.name for ip_list in uses)} cannot be deleted while keys use it.")
        self.uses = uses


@transaction.atomic
def create_list(
    *, account: Account, name: str, description: str = "", entries: Iterable[Entry] = (), by: Actor
) -> IpList:
    """Create a list, which no key uses yet, and return it. Raise Denied, AccountNotActive, Invalid."""
    authorization.require(by, Permission.IP_LISTS_CHANGE, account=account)
    account = authorization.require_active(account)
    new = NewList(name, tuple(entries), description)
    ip_list = insert_list(account, new)
    record_creation(ip_list, new, by)
    return ip_list


@transaction.atomic
def edit_list(*, ip_list: IpList, version: int, name: str, description: str, by: Actor) -> IpList:
    """Change the list's name and description, and return it. `version` is the list's version when the form was opened.

    Raise Denied, AccountNotActive, ListChanged, Invalid, IpList.DoesNotExist.
    """
    ip_list = _lock_for_change(ip_list, by)
    if ip_list.version != version:
        raise ListChanged(ip_list)
    before = {"name": ip_list.name, "description": ip_list.description}
    ip_list.name, ip_list.description = clean_list(name, description)
    after = {"name": ip_list.name, "description": ip_list.description}
    if changes := _get_changes(before, after):
        ip_list.version += 1
        _save(ip_list, update_fields=["name", "description", "version"])
        record("ip_list.edited", by=by, account_id=ip_list.account_id, target=get_list_target(ip_list), changes=changes)
    return ip_list


@transaction.atomic
def add_entries(*, ip_list: IpList, entries: Iterable[Entry], by: Actor) -> int:
    """Add entries to the list, all or none, and return their number.

    Needs the confirmation "ip_list.widen" of the list's primary key if a key uses the list and an entry is enabled;
    from Support always. Raise Denied, AccountNotActive, ConfirmationRequired, Invalid, IpList.DoesNotExist.
    """
    ip_list = _lock_for_change(ip_list, by, Permission.IP_LISTS_IMPORT)
    entries = clean_entries(entries, existing=set(ip_list.entries.values_list("network", flat=True)))
    if not entries:
        return 0
    if (any(entry.enabled for entry in entries) and _is_in_use(ip_list)) or _is_support(by):
        _spend_confirmation(ip_list, by)
    _insert(ip_list, entries)
    _record("added", ip_list, entries, by)
    return len(entries)


@transaction.atomic
def change_entry(
    *, entry: IpListEntry, stamp: str, to: Entry, keep: Collection[Network] = (), by: Actor
) -> IpListEntry:
    """Change the entry and return it; add or enable entries for the networks in `keep`.

    `stamp` is the entry's stamp (entries.Entry.stamp) when the form was opened. Needs the confirmation "ip_list.widen"
    if a key uses the list and the entries admit more than the entry before. Raise Denied, AccountNotActive,
    ConfirmationRequired, EntryChanged, Invalid, IpList.DoesNotExist, IpListEntry.DoesNotExist.
    """
    ip_list = _lock_for_change(entry.ip_list, by)
    row = ip_list.entries.get(pk=entry.pk)
    before = Entry.from_row(row)
    if before.stamp != stamp:
        raise EntryChanged(row)
    other_networks = ip_list.entries.exclude(pk=row.pk).values_list("network", flat=True)
    [to] = clean_entries([to], existing=set(other_networks.filter(network=to.network)))
    changes = _get_changes(before.as_dict(), to.as_dict())
    if not changes:
        return row
    new_entries = (to, *(Entry(network, to.description) for network in keep))
    if any(each.admits_more_than(before) for each in new_entries) and _is_in_use(ip_list):
        _spend_confirmation(ip_list, by)
    row.network, row.description, row.enabled = to
    row.save(update_fields=["network", "description", "enabled"])
    target = get_list_target(ip_list)
    network = format_network(before.network)
    record(
        "ip_list.entry_changed", by=by, account_id=ip_list.account_id, target=target, network=network, changes=changes
    )
    _enable_or_insert(ip_list, new_entries[1:], by)
    return row


@transaction.atomic
def enable_entries(*, ip_list: IpList, entries: Collection[int], by: Actor) -> int:
    """Enable these entries (primary keys), and return how many changed.

    Needs the confirmation "ip_list.widen" of the list's primary key if a key uses the list. Raise Denied,
    AccountNotActive, ConfirmationRequired, IpList.DoesNotExist.
    """
    ip_list = _lock_for_change(ip_list, by)
    rows = list(ip_list.entries.filter(pk__in=entries, enabled=False))
    if rows and _is_in_use(ip_list):
        _spend_confirmation(ip_list, by)
    return _set_enabled(ip_list, rows, True, by)


@transaction.atomic
def disable_entries(*, ip_list: IpList, entries: Collection[int], by: Actor) -> int:
    """Disable these entries (primary keys), and return how many changed. They admit no call from the commit on.

    Raise Denied, AccountNotActive, IpList.DoesNotExist.
    """
    ip_list = _lock_for_change(ip_list, by)
    return _set_enabled(ip_list, list(ip_list.entries.filter(pk__in=entries, enabled=True)), False, by)


@transaction.atomic
def delete_entries(*, ip_list: IpList, entries: Collection[int], by: Actor) -> int:
    """Delete these entries (primary keys) of the list, and return their number. Raise the same as `disable_entries`."""
    ip_list = _lock_for_change(ip_list, by)
    rows = list(ip_list.entries.filter(pk__in=entries))
    if rows:
        ip_list.entries.filter(pk__in=[row.pk for row in rows]).delete()
        _record("deleted", ip_list, map(Entry.from_row, rows), by)
    return len(rows)


@transaction.atomic
def delete_lists(*, account: Account, lists: Collection[int], by: Actor) -> int:
    """Delete these lists (primary keys) of the account, all or none, and return their number. One event for each.

    Raise Denied, AccountNotActive, ListInUse.
    """
    authorization.require(by, Permission.IP_LISTS_CHANGE, account=account)
    authorization.require_active(account)
    rows = list(IpList.objects.select_for_update().filter(account=account, pk__in=lists).order_by("pk"))
    if uses := {row: users for row in rows if (users := list(get_keys_using(row).order_by("name", "pk")))}:
        raise ListInUse(uses)
    for row in rows:
        entries, target = summarize_entries(map(Entry.from_row, row.entries.all())), get_list_target(row)
        # The remaining uses are those of deleted keys.
        row.uses.all().delete()
        row.delete()
        record("ip_list.deleted", by=by, account_id=account.pk, target=target, **entries)
    return len(rows)


def insert_list(account: Account, new: NewList) -> IpList:
    """Insert the list and its entries without an event, which `record_creation` records. Raise Invalid."""
    name, description = clean_list(new.name, new.description)
    entries = clean_entries(new.entries)
    ip_list = IpList(account=account, name=name, description=description)
    _save(ip_list, force_insert=True)
    _insert(ip_list, entries)
    return ip_list


def record_creation(ip_list: IpList, new: NewList, by: Actor) -> None:
    settings = {"name": ip_list.name, "description": ip_list.description}
    account_id, entries = ip_list.account_id, summarize_entries(clean_entries(new.entries))
    record(
        "ip_list.created", by=by, account_id=account_id, target=get_list_target(ip_list), settings=settings, **entries
    )


def get_keys_using(ip_list: IpList) -> QuerySet[Key]:
    """Return the live keys that are restricted to the list."""
    return Key.objects.filter(list_grants__ip_list=ip_list, deleted_at=None)


def get_list_target(ip_list: IpList) -> Target:
    return Target("ip_list", str(ip_list.pk), ip_list.name)


def _lock_for_change(ip_list: IpList, by: Actor, permission: Permission = Permission.IP_LISTS_CHANGE) -> IpList:
    """Lock the list until the commit and return its present row. Raise Denied, AccountNotActive."""
    authorization.require(by, permission, account=ip_list.account)
    authorization.require_active(ip_list.account)
    return IpList.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=ip_list.pk)


def _is_in_use(ip_list: IpList) -> bool:
    return get_keys_using(ip_list).exists()


def _is_support(by: Actor) -> bool:
    return by.kind == "user" and User.objects.filter(pk=by.id, account=None).exists()


def _spend_confirmation(ip_list: IpList, by: Actor) -> None:
    by.spend_confirmation(WIDEN, str(ip_list.pk))


def _save(ip_list: IpList, **options: Any) -> None:
    try:
        with transaction.atomic():
            ip_list.save(**options)
    except IntegrityError as taken:
        if "ip_list_name_unique_in_account" not in str(taken):
            raise
        raise Invalid({"name": format_taken_name(ip_list.name)}) from None


def _insert(ip_list: IpList, entries: Iterable[Entry]) -> None:
    IpListEntry.objects.bulk_create((IpListEntry(ip_list=ip_list, **entry._asdict()) for entry in entries), 1000)


def _enable_or_insert(ip_list: IpList, entries: Collection[Entry], by: Actor) -> None:
    """Enable the entries that are on the list, and insert the others."""
    existing = {row.network: row for row in ip_list.entries.all()} if entries else {}
    known = [existing[entry.network] for entry in entries if entry.network in existing]
    _set_enabled(ip_list, [row for row in known if not row.enabled], True, by)
    if new := clean_entries([entry for entry in entries if entry.network not in existing], existing=existing):
        _insert(ip_list, new)
        _record("added", ip_list, new, by)


def _set_enabled(ip_list: IpList, rows: list[IpListEntry], enabled: bool, by: Actor) -> int:
    if rows:
        ip_list.entries.filter(pk__in=[row.pk for row in rows]).update(enabled=enabled)
        _record("enabled" if enabled else "disabled", ip_list, map(Entry.from_row, rows), by)
    return len(rows)


def _record(event: str, ip_list: IpList, entries: Iterable[Entry], by: Actor) -> None:
    target = get_list_target(ip_list)
    record(
        f"ip_list.entries_{event}", by=by, account_id=ip_list.account_id, target=target, **summarize_entries(entries)
    )


def _get_changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [old, after[name]] for name, old in before.items() if old != after[name]}
