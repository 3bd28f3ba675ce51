"""Count an account's keys for the overview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Account
from audit.usage.unused import get_unused_days
from core.bounded_cache import BoundedCache
from keys.models import Address, Key, KeyIpList, Secret
from keys.selectors.epoch import get_for_epoch
from keys.selectors.keys import STATUSES, build_status_condition
from keys.selectors.rotation import OverdueRotation, list_overdue_rotations
from keys.selectors.unused import build_unused_condition


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """How many keys are so; `query` is the filter of the list that shows them, empty for the page of unused keys."""

    name: str
    label: str
    count: int
    query: str


class KeyFigures(NamedTuple):
    """The number of keys by status, and of those that deserve a look; both empty without any key. `overdue` are those
    that wait for their scheduled rotation."""

    by_status: list[KeyFigure]
    to_review: list[KeyFigure]
    overdue: list[OverdueRotation]


_counted: BoundedCache[tuple[dict[str, int], list[OverdueRotation]]] = BoundedCache(100)


def count_keys(keys: QuerySet[Key]) -> KeyFigures:
    """Return the figures of these keys."""
    days = get_unused_days()
    # Unlike a list, which looks at the keys of one page, this collects once those of all.
    old = Secret.objects.filter(key__in=keys, retires_at__gt=Now()).values("key")
    restricted = [rows.filter(key__in=keys).values("key") for rows in (Address.objects, KeyIpList.objects)]
    looks: list[tuple[str, str, str, Q]] = [
        ("unused", f"Unused for {days} days", "", build_unused_condition(timezone.now() - timedelta(days=days))),
        ("old_secret", "Old secret still works", "secret=old", Q(pk__in=old)),
        ("unrestricted", "Any address allowed", "addresses=any", ~Q(pk__in=restricted[0]) & ~Q(pk__in=restricted[1])),
        ("never", "Never expire", "expires=never", Q(expires_at=None)),
        ("inactive", "User is not active", "user_status=inactive", Q(owner__is_active=False)),
    ]
    counts = {name: Count("pk", filter=condition) for name, _, _, condition in looks}
    statuses = {name: Count("pk", filter=build_status_condition(name)) for name, _ in STATUSES}
    keys = keys.order_by()
    # Time alone changes few of them: those of a minute are shown, unless something was changed that decides.
    cache_key = str(keys.query), timezone.now().replace(second=0, microsecond=0)

    def compute() -> tuple[dict[str, int], list[OverdueRotation]]:
        scheduled = Count("pk", filter=Q(rotation_days__isnull=False))
        found = keys.aggregate(**statuses, **counts, scheduled=scheduled)
        return found, list_overdue_rotations(keys, timezone.now()) if found["scheduled"] else []

    found, overdue = get_for_epoch(_counted, cache_key, compute, but_for_lists=True)
    by_status = [KeyFigure(name, label, found[name], f"status={name}") for name, label in STATUSES]
    if not any(figure.count for figure in by_status):
        return KeyFigures([], [], [])
    to_review = [KeyFigure(name, label, found[name], query) for name, label, query, _ in looks]
    return KeyFigures(by_status, to_review, overdue)


class RefusedKey(NamedTuple):
    """A key with which calls were refused. Deleted keys have a name too, and no page."""

    public_id: str
    name: str
    has_page: bool
    calls: int


def name_keys(account: Account, counted: Iterable[tuple[str, int]]) -> list[RefusedKey]:
    """Return (API ID, calls) pairs with the names of the keys."""
    counted = list(counted)
    rows = Key.objects.filter(account=account, public_id__in=[public_id for public_id, _ in counted])
    values = rows.values_list("public_id", "name", "deleted_at")
    named = {public_id: (name, deleted_at is None) for public_id, name, deleted_at in values}
    return [RefusedKey(public_id, *named.get(public_id, ("", False)), calls) for public_id, calls in counted]
