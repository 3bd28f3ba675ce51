"""Queries of IP lists for pages and exports."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audit.trail.selectors import list_events
from keys.models import IpList, IpListEntry, KeyIpList


class Counts(TypedDict):
    entry_count: int
    live_count: int
    key_count: int


def with_counts(lists: QuerySet[IpList]) -> QuerySet[CountedList]:
    """Annotate `entry_count` and `live_count` (enabled entries), and `key_count` (live keys that use the list)."""
    entries = IpListEntry.objects.filter(ip_list=OuterRef("pk"))
    uses = KeyIpList.objects.filter(ip_list=OuterRef("pk"), key__deleted_at=None)
    return lists.annotate(
        entry_count=_count_rows(entries),
        live_count=_count_rows(entries.filter(enabled=True)),
        key_count=_count_rows(uses),
    )


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    CountedList = WithAnnotations[IpList, Counts]


def _count_rows(rows: QuerySet) -> Coalesce:
    counted = rows.order_by().values("ip_list").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


class Edit(NamedTuple):
    at: datetime
    by: str


def get_last_edit(ip_list: IpList) -> Edit | None:
    """Return when the list's name or description was last saved, and by whom."""
    events = list_events(ip_list.account_id).filter(target_kind="ip_list", target_id=str(ip_list.pk))
    event = events.filter(name="ip_list.edited").order_by("-seq").first()
    return Edit(event.at, event.actor) if event else None
