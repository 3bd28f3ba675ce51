"""Drop whole months of the API log after the retention period; their seals stay in the chain.

A seal of an early version may reach from a dropped month into one that stays. The event then holds a seal of the rest,
so that it can still be verified.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, connections, transaction

from audit.calls.partitions import PARTITION_LOCK, list_partitions, parse_partition_month
from audit.calls.seals import LATE, LOG, Seal, compute_seal, get_next_month, get_sealed_until, list_seals
from audit.trail.chain import format_instant
from audit.trail.events import Target
from audit.trail.record import record
from audit.usage import roll_up
from core.actor import Actor
from core.replica import open_snapshot

DROPPED = "calls.dropped"
MONTHS = Target("log", "months", "API log")
EVENTS = """
    SELECT seq, body FROM audit_event
    WHERE target_kind = %s AND target_id = %s AND name = %s AND account_id IS NULL ORDER BY seq
"""


class SealMismatch(RuntimeError):
    """Calls that were to be dropped, or that share a seal with them, differ from what was sealed."""


@dataclass(frozen=True, slots=True)
class DroppedMonths:
    """The dropped months according to the trail: `until` is the end of the last one. `rest` holds, by the place of a
    seal's event in the chain, a seal of what was left of its calls."""

    until: datetime
    rest: Mapping[int, Seal]

    def get_remaining(self, seq: int, seal: Seal) -> Seal | None:
        """Return a seal of the calls that must still be there; None if that is not known, because the month was dropped
        by a version that recorded no rest."""
        if seal.since >= self.until:
            return seal
        return self.rest.get(seq)


def drop_old_months(days: int, by: Actor) -> list[str]:
    """Drop the months that ended more than `days` ago and are sealed to their end with every column; return them, as
    `2026-11`. Raise SealMismatch if the calls of a seal that reaches over the end are not what was sealed.

    The event is recorded and committed first, so that no month can be missing without an event.
    """
    until = _get_cutoff(days)
    old = [month for month in _list_months() if get_next_month(month) <= until]
    if not old:
        return []
    names, end = [f"{month:%Y-%m}" for month in old], get_next_month(old[-1])
    if get_dropped_until() != end:
        with transaction.atomic():
            rest = [{"seal": seq, **seal.data} for seq, seal in _list_remaining_seals(end)]
            record(DROPPED, by=by, account_id=None, target=MONTHS, months=names, until=end.isoformat(), rest=rest)
    for month in old:
        _drop_month(month)
    return names


def read_dropped(cursor: Any) -> DroppedMonths | None:
    """Return the months dropped so far, as the cursor's snapshot has them; None if there are none."""
    cursor.execute(EVENTS, [MONTHS.kind, MONTHS.id, DROPPED])
    dropped: DroppedMonths | None = None
    for _, body in cursor.fetchall():
        data = json.loads(body)["data"]
        until = datetime.fromisoformat(data["until"])
        # The rest of a seal may have been dropped since.
        rest: dict[int, Seal] = (
            {seq: seal for seq, seal in dropped.rest.items() if seal.since >= until} if dropped else {}
        )
        rest |= {item["seal"]: Seal.from_data(item) for item in data.get("rest", ())}
        dropped = DroppedMonths(until, rest)
    return dropped


def get_dropped_until() -> datetime | None:
    """Return the end of the last dropped month, None if none was dropped."""
    with connection.cursor() as cursor:
        dropped = read_dropped(cursor)
    return dropped.until if dropped else None


def _list_remaining_seals(end: datetime) -> Iterator[tuple[int, Seal]]:
    """Yield, with the place of its event, a seal of what remains of each seal that reaches over `end`, after verifying
    the whole of it. Raise SealMismatch."""
    with open_snapshot(seconds=0, using="maintenance") as reader:
        before = read_dropped(reader)
        for target in (LOG, LATE):
            for seq, sealed in list_seals(reader, target):
                if not sealed.since < end < sealed.until:
                    continue
                rest = before.get_remaining(seq, sealed) if before else sealed
                if rest is None:
                    continue
                if compute_seal(reader, rest.since, rest.until, rest.form) != rest:
                    raise SealMismatch(
                        f"the API log from {format_instant(rest.since)} to {format_instant(rest.until)} is not what "
                        f"event {seq} sealed; no month of it is dropped"
                    )
                yield seq, compute_seal(reader, end, sealed.until, rest.form)


def _get_cutoff(days: int) -> datetime:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    limit = now.astimezone(UTC) - timedelta(days=days)
    sealed = [get_sealed_until(target) or datetime.min.replace(tzinfo=UTC) for target in (LOG, LATE)]
    return min(limit, *sealed)


def _list_months() -> list[datetime]:
    return sorted(start for name in list_partitions() if (start := parse_partition_month(name)))


def _drop_month(month: datetime) -> None:
    name = f"audit_call_{month:%Y_%m}"
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        for table in ("audit_rollup", "audit_rollup_total"):
            cursor.execute(f"DELETE FROM {table} WHERE hour >= %s AND hour < %s", [month, get_next_month(month)])
        roll_up.drop_before(cursor, get_next_month(month))
        cursor.execute(f"ALTER TABLE audit_call DETACH PARTITION {name}")
        cursor.execute(f"DROP TABLE {name}")
