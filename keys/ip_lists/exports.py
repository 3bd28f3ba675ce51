"""IP lists and their entries as files. An entries' file can be imported again."""

from __future__ import annotations

from typing import ClassVar

from django.db import transaction

from accounts import policy
from accounts.models import Account
from accounts.permissions import Permission
from accounts.tables import Table, as_file, column
from audit.actor import Actor
from audit.record import record
from keys.addresses import shown
from keys.ip_lists.filters import EntryFilter, IpListFilter
from keys.models import IpList, IpListEntry
from keys.services.ip_lists import target_of


class ListResource(Table):
    entries = column("entry_count")
    enabled_entries = column("live_count")
    used_by_keys = column("key_count")
    created = column("created_at")

    class Meta:
        model = IpList
        fields: ClassVar = ("name", "description", "entries", "enabled_entries", "used_by_keys", "created")
        export_order = fields


class EntryResource(Table):
    enabled = column("enabled")
    created = column("created_at")

    class Meta:
        model = IpListEntry
        fields: ClassVar = ("network", "description", "enabled", "created")
        export_order = fields

    def dehydrate_network(self, entry: IpListEntry) -> str:
        return shown(entry.network)


@transaction.atomic
def export_lists(*, by: Actor, account: Account, lists: IpListFilter, format: str) -> tuple[str, bytes]:
    """Name and content of a file of what the filters let through, in the page's order. Raises Denied."""
    policy.require(by, Permission.LISTS_EXPORT, account=account)
    table = ListResource().export(lists.sorted(), format=format)
    record("ip_lists.exported", by=by, account_id=account.pk, rows=len(table), filters=lists.active, format=format)
    return as_file(table, f"{account.slug}-ip-lists", format)


@transaction.atomic
def export_entries(
    *,
    by: Actor,
    ip_list: IpList,
    entries: EntryFilter,
    format: str,
    needs: Permission = Permission.LISTS_EXPORT,
) -> tuple[str, bytes]:
    """As `export_lists`, of one list's entries. `needs` is what the page needs: Support has pages of its own."""
    policy.require(by, needs, account=ip_list.account)
    table = EntryResource().export(entries.sorted(), format=format)
    record(
        "ip_list.exported",
        by=by,
        account_id=ip_list.account_id,
        target=target_of(ip_list),
        rows=len(table),
        filters=entries.active,
        format=format,
    )
    return as_file(table, f"{ip_list.account.slug}-ip-list-{ip_list.pk}", format)
