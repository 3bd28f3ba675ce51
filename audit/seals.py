"""Sealing the API log into the chain, hour by hour: what is sealed cannot be changed, left out or added to unnoticed.

A row's time is the database's clock at its INSERT. The sealer takes the log's SHARE lock for an instant, which waits
for every INSERT under way; whatever comes later has a later time. So nothing can appear below the line it reads then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, connections, transaction
from psycopg import Cursor

from audit import rollups
from audit.actor import Actor
from audit.chain import instant
from audit.events import Target
from audit.models import Event
from audit.record import record
from audit.snapshot import snapshot

UNIT, HOUR = "hour", timedelta(hours=1)
LOG = Target("log", "calls", "API log")
SEALED = "calls.sealed"
LOCK = "keyward audit.seals"
# Everything but the three columns that arrive later; times as UTC text, so that no session's settings matter.
ROWS = """
    COPY (SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), request_id, account_id, account,
            api, key_id, key_name, owner, credential, method, host, path, query, module, host(client_address), decision,
            reason, rule, mask, hlr, proxy, user_agent, folded
        FROM audit_call WHERE time >= %s AND time < %s ORDER BY time, request_id) TO STDOUT (FORMAT text)
"""


@dataclass(frozen=True, slots=True)
class Seal:
    """What the chain knows of the calls with `since` <= time < `until`. `first` and `last` are request IDs, empty
    when there was no call; `sha256` is of the rows' text in the order of time and request ID."""

    since: datetime
    until: datetime
    rows: int
    first: str
    last: str
    sha256: str

    @classmethod
    def told(cls, data: dict[str, Any]) -> Seal:
        """From an event's data."""
        since, until = datetime.fromisoformat(data["since"]), datetime.fromisoformat(data["until"])
        return cls(since, until, data["rows"], data["first"], data["last"], data["sha256"])


def seal(by: Actor) -> list[Seal]:
    """Seal every hour that is over, had calls and is not sealed yet, each in a transaction of its own with its sums.
    Hours without a call are part of the seal after them; the very first seal takes in all that came before it. Safe at
    any time from any node."""
    made = []
    line = _line()
    while done := _seal_next(line, by):
        made.append(done)
    return made


def seals() -> Iterator[tuple[int, Seal]]:
    """Every seal with its event's number, oldest first."""
    events = Event.objects.filter(target_kind=LOG.kind, target_id=LOG.id, name=SEALED).order_by("seq")
    for seq, body in events.values_list("seq", "body").iterator():
        yield seq, Seal.told(json.loads(body)["data"])


def sealed_until() -> datetime | None:
    """Where the next seal begins; None while there is none."""
    events = Event.objects.filter(target_kind=LOG.kind, target_id=LOG.id, name=SEALED).order_by("-seq")
    body = events.values_list("body", flat=True).first()
    return None if body is None else Seal.told(json.loads(body)["data"]).until


def read(cursor: Cursor, since: datetime, until: datetime) -> Seal:
    """The seal that these rows would have now; in constant memory."""
    digest, rows, first, last = hashlib.sha256(), 0, "", ""
    statement = ROWS % (f"'{instant(since)}'", f"'{instant(until)}'")
    with cursor.copy(statement.encode()) as copy:
        for message in copy:
            digest.update(message)
            rows += 1
            if rows == 1:
                first = _request_id(message)
            last_message = message
    if rows:
        last = _request_id(last_message)
    return Seal(since, until, rows, first, last, digest.hexdigest())


def _request_id(line: Any) -> str:
    return bytes(line).split(b"\t", 2)[1].decode()


def _line() -> datetime:
    """The hour below which nothing can appear any more."""
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        # The parent alone: every call is written through it.
        cursor.execute("LOCK TABLE ONLY audit_call IN SHARE MODE")
        cursor.execute("SELECT date_trunc(%s, clock_timestamp(), 'UTC')", [UNIT])
        (line,) = cursor.fetchone()
    return line.astimezone(UTC)


@transaction.atomic
def _seal_next(line: datetime, by: Actor) -> Seal | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        since = sealed_until()
        span = _next(cursor, since, line) if since else _first(cursor, line)
        if span is None:
            return None
        since, until = span
    with snapshot(seconds=0) as reader:
        made = read(reader, since, until)
    rollups.add(since, until)
    data = {"since": instant(since), "until": instant(until), "rows": made.rows}
    record(SEALED, by=by, account_id=None, target=LOG, first=made.first, last=made.last, sha256=made.sha256, **data)
    return made


def _first(cursor: Any, line: datetime) -> tuple[datetime, datetime] | None:
    """From the hour of the log's first call to the line."""
    cursor.execute("SELECT date_trunc(%s, min(time), 'UTC') FROM audit_call WHERE time < %s", [UNIT, line])
    (first,) = cursor.fetchone()
    return first and (first.astimezone(UTC), line)


def _next(cursor: Any, since: datetime, line: datetime) -> tuple[datetime, datetime] | None:
    """To the end of the next hour with calls. The very next one is looked at first: it nearly always has some, and then
    no more than it is read."""
    for until in (since + HOUR, line):
        if until <= line:
            cursor.execute(
                "SELECT date_trunc(%s, min(time), 'UTC') FROM audit_call WHERE time >= %s AND time < %s",
                [UNIT, since, until],
            )
            (hour,) = cursor.fetchone()
            if hour:
                return since, hour.astimezone(UTC) + HOUR
    return None
