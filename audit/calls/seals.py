"""Seal the API log into the chain, hour by hour, so that no sealed row can be changed, removed or added unnoticed.

A row's time is the database's clock at its INSERT. The sealer takes SHARE lock on the log for an instant, which waits
for every INSERT and UPDATE in progress; rows inserted later have a later time. So no row can appear before the
watermark that is read under the lock. An hour is sealed when it is over, and again with the columns that arrive later
once they can no longer arrive. No seal spans two months, because months are dropped whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, connections, transaction
from psycopg import Cursor

from audit.calls import rollups, row_text
from audit.calls.row_text import HOST_ONLY, WHOLE, WITHOUT_LATE
from audit.trail.chain import format_instant
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from core.replica import lift_time_limits, open_snapshot

UNIT, HOUR = "hour", timedelta(hours=1)
# The trigger audit_call_late_columns_only refuses what comes later than this.
LATE_AFTER = timedelta(hours=48)
LOG = Target("log", "calls", "API log")
LATE = Target("log", "late", "API log")
SEALED, LATE_SEALED = "calls.sealed", "calls.late_sealed"
LOCK = "keyward audit.calls.seals"
SEAL_EVENTS = """
    SELECT seq, body FROM audit_event
    WHERE target_kind = %s AND target_id = %s AND name = %s AND account_id IS NULL ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Seal:
    """The calls with `since` <= time < `until`, as sealed: `rows`, `first`, `last` and `sha256` are those of
    audit.calls.row_text.RowsHash, `form` is the number of the format."""

    since: datetime
    until: datetime
    rows: int
    first: str
    last: str
    sha256: str
    form: int = WITHOUT_LATE

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Seal:
        """Return the seal that an event's data holds."""
        since, until = datetime.fromisoformat(data["since"]), datetime.fromisoformat(data["until"])
        form = data.get("form", HOST_ONLY)
        return cls(since, until, data["rows"], data["first"], data["last"], data["sha256"], form)

    @property
    def data(self) -> dict[str, Any]:
        """The seal as an event's data."""
        return {
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "rows": self.rows,
            "first": self.first,
            "last": self.last,
            "sha256": self.sha256,
            "form": self.form,
        }


def seal_hours(by: Actor) -> list[Seal]:
    """Seal every hour that is over and not sealed yet, each in a transaction of its own with its sums; return the
    seals. Hours without a call that follow each other share one. Safe at any time from any node."""
    return _seal_until(read_watermark(), LOG, by)


def seal_late_columns(by: Actor) -> list[Seal]:
    """Seal again, with every column, the sealed hours whose late columns can no longer arrive; return the seals
    made."""
    sealed = get_sealed_until()
    return _seal_until(min(read_watermark() - LATE_AFTER, sealed), LATE, by) if sealed else []


def list_seals(cursor: Any, target: Target = LOG) -> Iterator[tuple[int, Seal]]:
    """Yield (place of its event in the chain, seal), oldest first, as the cursor's snapshot has them."""
    cursor.execute(SEAL_EVENTS, [target.kind, target.id, _NAMES[target]])
    return ((seq, Seal.from_data(json.loads(body)["data"])) for seq, body in cursor.fetchall())


def get_sealed_until(target: Target = LOG) -> datetime | None:
    """Return the end of the last seal, None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(f"{SEAL_EVENTS} DESC LIMIT 1", [target.kind, target.id, _NAMES[target]])
        row = cursor.fetchone()
    return None if row is None else Seal.from_data(json.loads(row[1])["data"]).until


def compute_seal(cursor: Cursor, since: datetime, until: datetime, form: int = WITHOUT_LATE) -> Seal:
    """Return the seal of the rows as they are now, in constant memory."""
    digest = row_text.hash_rows(cursor, form, since, until)
    return Seal(since, until, digest.rows, digest.first, digest.last, digest.sha256, form)


def get_next_month(time: datetime) -> datetime:
    """Return the start of the month after the one that `time` lies in, in UTC."""
    start = time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=32)).replace(day=1)


_NAMES = {LOG: SEALED, LATE: LATE_SEALED}
_FORMS = {LOG: WITHOUT_LATE, LATE: WHOLE}


def read_watermark() -> datetime:
    """Return the start of the current hour, before which no row can appear any more. Waits for every INSERT and UPDATE
    in progress; raise OperationalError after 3 seconds."""
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        # ONLY the parent: every call is inserted through it.
        cursor.execute("LOCK TABLE ONLY audit_call IN SHARE MODE")
        cursor.execute("SELECT date_trunc(%s, clock_timestamp(), 'UTC')", [UNIT])
        (watermark,) = cursor.fetchone()
    return watermark.astimezone(UTC)


def _seal_until(watermark: datetime, target: Target, by: Actor) -> list[Seal]:
    """Seal up to the watermark; the first time, whole months at once."""
    step = HOUR if get_sealed_until(target) else timedelta.max
    new_seals = []
    while seal := _seal_next(watermark, by, target, step):
        new_seals.append(seal)
    return new_seals


@transaction.atomic
def _seal_next(watermark: datetime, by: Actor, target: Target = LOG, step: timedelta = HOUR) -> Seal | None:
    with connection.cursor() as cursor:
        # An hour may have millions of calls; the first seal may have a month of them.
        lift_time_limits(cursor)
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        since = get_sealed_until(target) or _get_first_hour(cursor, watermark)
        if since is None or since >= watermark:
            return None
        until = _get_seal_end(cursor, since, watermark, step)
    with open_snapshot(seconds=0, using="maintenance") as reader:
        seal = compute_seal(reader, since, until, _FORMS[target])
    if target is LOG:
        rollups.insert_sums(since, until)
    record(_NAMES[target], by=by, account_id=None, target=target, **seal.data)
    return seal


def _get_first_hour(cursor: Any, watermark: datetime) -> datetime | None:
    """Return the hour of the log's first call, None if there is none before the watermark."""
    cursor.execute("SELECT date_trunc(%s, min(time), 'UTC') FROM audit_call WHERE time < %s", [UNIT, watermark])
    (first,) = cursor.fetchone()
    return first and first.astimezone(UTC)


def _get_seal_end(cursor: Any, since: datetime, watermark: datetime, step: timedelta) -> datetime:
    """Return where a seal from `since` ends: after one `step`, or, if that has no call, at the hour of the next call.
    Never beyond the month or the watermark."""
    limit = min(watermark, get_next_month(since))
    if step >= limit - since:
        return limit
    cursor.execute(
        "SELECT date_trunc(%s, min(time), 'UTC') FROM audit_call WHERE time >= %s AND time < %s",
        [UNIT, since, since + step],
    )
    if cursor.fetchone()[0]:
        return since + step
    cursor.execute(
        "SELECT date_trunc(%s, min(time), 'UTC') FROM audit_call WHERE time >= %s AND time < %s",
        [UNIT, since + step, limit],
    )
    (hour,) = cursor.fetchone()
    return hour.astimezone(UTC) if hour else limit
