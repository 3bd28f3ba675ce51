"""Queries of IP lists for pages and exports."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from django.db.models import BooleanField, IntegerField, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower

from accounts.models import Account
from audit.trail.selectors import list_events
from keys.models import IpList

ENTRIES = "keys_iplistentry e WHERE e.ip_list_id = keys_iplist.id"
LIVE_USES = (
    "keys_keyiplist u JOIN keys_key k ON k.id = u.key_id WHERE u.ip_list_id = keys_iplist.id AND deleted_at IS NULL"
)


class Counts(TypedDict):
    entry_count: int
    live_count: int
    key_count: int


class Use(TypedDict):
    entry_count: int
    is_used: bool


def with_counts(lists: QuerySet[IpList]) -> QuerySet[CountedList]:
    """Annotate `entry_count` and `live_count` (enabled entries), and `key_count` (live keys that use the list)."""
    return lists.annotate(
        entry_count=_count_rows(ENTRIES),
        live_count=_count_rows(f"{ENTRIES} AND e.enabled"),
        key_count=_count_rows(LIVE_USES),
    )


def with_use(lists: QuerySet[IpList]) -> QuerySet[UsedList]:
    """Annotate `entry_count`, and `is_used`: whether a live key uses the list. Counting the keys takes longer the more
    there are."""
    is_used = RawSQL(f"EXISTS (SELECT FROM {LIVE_USES})", (), BooleanField())  # noqa: S611 - constant texts
    return lists.annotate(entry_count=_count_rows(ENTRIES), is_used=is_used)


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    CountedList = WithAnnotations[IpList, Counts]
    UsedList = WithAnnotations[IpList, Use]


def _count_rows(rows: str) -> RawSQL:
    # Plain SQL, because composing these takes Django longer than PostgreSQL takes to count.
    return RawSQL(f"(SELECT count(*) FROM {rows})", (), IntegerField())  # noqa: S611 - constant texts


def find_name_problem(account: Account, name: str, besides: IpList | None = None) -> str:
    """Return why a list of the account, `besides` if it exists, cannot have this name: another has it; empty if it
    can."""
    same = IpList.objects.alias(lower=Lower("name")).filter(account=account, lower=Lower(Value(name)))
    if besides:
        same = same.exclude(pk=besides.pk)
    return format_taken_name(name) if same.exists() else ""


def format_taken_name(name: str) -> str:
    return f"A list named {name} already exists. Choose another name."


class Edit(NamedTuple):
    at: datetime
    by: str


def get_last_edit(ip_list: IpList) -> Edit | None:
    """Return when the list's name or description was last saved, and by whom."""
    events = list_events(ip_list.account_id).filter(target_kind="ip_list", target_id=str(ip_list.pk))
    event = events.filter(name="ip_list.edited").order_by("-seq").first()
    return Edit(event.at, event.actor) if event else None
