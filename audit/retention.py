"""Months of the API log that are older than they must be kept are dropped whole; their seals stay in the chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from django.db import connections, transaction

from audit.actor import Actor
from audit.calls import PARTITION_LOCK, partition_names, start_of
from audit.events import Target
from audit.models import Event
from audit.record import record
from audit.seals import sealed_until

DROPPED = "calls.dropped"
MONTHS = Target("log", "months", "API log")


def drop_old(days: int, by: Actor) -> list[str]:
    """Drop the months that ended more than `days` ago and are sealed to their end; returns them, as `2026-11`.

    The event comes first and is committed alone: a month that is gone was told of, whatever happens in between.
    """
    until = _limit(days)
    old = [month for month in _months() if _end(month) <= until]
    if not old:
        return []
    names = [f"{month:%Y-%m}" for month in old]
    if dropped_until() != _end(old[-1]):
        with transaction.atomic():
            record(DROPPED, by=by, account_id=None, target=MONTHS, months=names, until=_end(old[-1]).isoformat())
    for month in old:
        _drop(month)
    return names


def dropped_until() -> datetime | None:
    """The end of the last month that was dropped: what lies before is not kept."""
    events = Event.objects.filter(target_kind=MONTHS.kind, target_id=MONTHS.id, name=DROPPED).order_by("-seq")
    body = events.values_list("body", flat=True).first()
    return None if body is None else datetime.fromisoformat(json.loads(body)["data"]["until"])


def _limit(days: int) -> datetime:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    limit = now.astimezone(UTC) - timedelta(days=days)
    sealed = sealed_until()
    return min(limit, sealed) if sealed else datetime.min.replace(tzinfo=UTC)


def _months() -> list[datetime]:
    return sorted(start for name in partition_names() if (start := start_of(name)))


def _end(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


def _drop(month: datetime) -> None:
    name = f"audit_call_{month:%Y_%m}"
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute("DELETE FROM audit_rollup WHERE hour >= %s AND hour < %s", [month, _end(month)])
        cursor.execute(f"ALTER TABLE audit_call DETACH PARTITION {name}")
        cursor.execute(f"DROP TABLE {name}")
