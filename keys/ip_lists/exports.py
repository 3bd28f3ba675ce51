"""Export IP lists and their entries. An exported file of entries can be imported again."""

from __future__ import annotations

from typing import ClassVar

from django.db import transaction

from accounts.models import Account
from audit.exports import ListFile, deliver_list
from core import authorization
from core.actor import Actor
from core.lists import PagedFilter
from core.permissions import Permission
from core.spreadsheets import PLAIN_CSV, CsvStyle, TextResource, build_column, encode_table
from keys.decision.addresses import format_network
from keys.ip_lists.filters import EntryFilter, IpListFilter
from keys.ip_lists.services import get_list_target
from keys.models import IpList, IpListEntry


class ListResource(TextResource):
    entries = build_column("entry_count")
    enabled_entries = build_column("live_count")
    used_by_keys = build_column("key_count")
    created = build_column("created_at")

    class Meta:
        model = IpList
        fields: ClassVar = ("name", "description", "entries", "enabled_entries", "used_by_keys", "created")
        export_order = fields


class EntryResource(TextResource):
    enabled = build_column("enabled")
    created = build_column("created_at")

    class Meta:
        model = IpListEntry
        fields: ClassVar = ("network", "description", "enabled", "created")
        export_order = fields

    def dehydrate_network(self, entry: IpListEntry) -> str:
        return format_network(entry.network)


@transaction.atomic
def export_lists(
    *, by: Actor, account: Account, lists: IpListFilter, format: str, zip: bool = False, csv: CsvStyle = PLAIN_CSV
) -> tuple[str, bytes]:
    """Return the name and content of a file with the lists that pass the filters, in the page's order. Raise Denied."""
    authorization.require(by, Permission.LISTS_EXPORT, account=account)
    file = _build_file(ListResource(), lists, format, csv)
    return deliver_list("ip_lists.exported", file, by=by, account=account, zip=zip)


@transaction.atomic
def export_entries(
    *,
    by: Actor,
    ip_list: IpList,
    entries: EntryFilter,
    format: str,
    zip: bool = False,
    csv: CsvStyle = PLAIN_CSV,
    needs: Permission = Permission.LISTS_EXPORT,
) -> tuple[str, bytes]:
    """Return the name and content of a file with the list's entries that pass the filters. Raise Denied.

    `needs` is the permission that the calling page requires; Support's pages require another.
    """
    authorization.require(by, needs, account=ip_list.account)
    file = _build_file(EntryResource(), entries, format, csv)
    return deliver_list(
        "ip_list.exported", file, by=by, account=ip_list.account, target=get_list_target(ip_list), zip=zip
    )


def _build_file(resource: TextResource, rows: PagedFilter, format: str, csv: CsvStyle) -> ListFile:
    table = resource.export(rows.sort_rows(), format=format)
    return ListFile(
        encode_table(table, format, csv), format, len(table), table.headers, rows.active, dict(rows.descriptions)
    )
