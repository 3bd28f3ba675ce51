"""Making the digests of each hour that is over: one pass over its rows for all accounts, then a signature for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from psycopg import Cursor

from audit.calls import seals
from audit.digests import normal_form
from audit.models import Event
from audit.trail.chain import format_instant
from audit.trail.events import ROUTINE, Target
from audit.trail.record import record
from core import signed_json
from core.actor import Actor
from core.replica import lift_time_limits, snapshot

KIND, VERSION = "keyward-digest-1", 1
MADE = "digests.made"
DIGESTS = Target("log", "digests", "digests")
HOUR = timedelta(hours=1)
LOCK = "keyward audit.digests"
COLUMNS = {
    "calls": list(normal_form.CALL_COLUMNS),
    "late": list(normal_form.LATE_COLUMNS),
    "events": list(normal_form.EVENT_COLUMNS),
}
# Each account with its last digest, if it has one.
ACCOUNTS = """
    SELECT account.id, account.slug, account.mask_phone, last.number, last.until, last.late_until, last.last_event,
        last.document
    FROM accounts_account account LEFT JOIN LATERAL (
        SELECT * FROM audit_digest WHERE account_id = account.id ORDER BY number DESC LIMIT 1
    ) last ON true ORDER BY account.id
"""
INSERT = """
    INSERT INTO audit_digest (account_id, number, since, until, late_until, last_event, document)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
NEXT_EVENT = "SELECT min(seq) - 1 FROM audit_event WHERE seq > %s AND at >= %s"
LAST_EVENT = "SELECT seq FROM audit_head WHERE chain = 1"


class DigestPass(NamedTuple):
    """One pass: how far its digests and those before them reach, in time and in the chain."""

    until: datetime
    late_until: datetime | None
    last_event: int
    digests: int


class PreviousDigest(NamedTuple):
    """An account and its last digest; the digest's columns are None while it has none."""

    account_id: int
    slug: str
    masks: bool
    number: int | None
    until: datetime | None
    late_until: datetime | None
    last_event: int | None
    document: str | None


@dataclass
class PassContents:
    """What a pass found, by account; events of the installation with their places in the chain."""

    calls: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    late: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    events: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    installation: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def has(self, account_id: int) -> bool:
        return any(account_id in found for found in (self.calls, self.late, self.events))


def make_digests(by: Actor) -> int:
    """Sign what every hour that is over held, for each account that had calls or events in it, and at midnight (UTC)
    for every account; return how many digests that made. Safe at any time from any node. Call after the hours are
    sealed, once more with the columns that arrive late where they no longer can."""
    return make_digests_until(seals.read_watermark(), seals.get_sealed_until(seals.LATE), by)


def make_digests_until(line: datetime, late_line: datetime | None, by: Actor) -> int:
    """The same up to `line`, and of what arrives late up to `late_line`: nothing may appear before them any more."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever wrote an event before the line has committed it once the head can be locked.
        cursor.execute("SELECT seq FROM audit_head WHERE chain = 1 FOR UPDATE")
    last, made = get_last_pass(), 0
    until = line if last is None else last.until + HOUR
    while until <= line:
        made += make_pass(until, late_line if until == line else None, by)
        until += HOUR
    return made


def get_last_pass() -> DigestPass | None:
    """The last pass that made digests, None before the first."""
    body = _list_pass_events().order_by("-seq").values_list("body", flat=True).first()
    return None if body is None else _parse_pass(json.loads(body)["data"])


def _list_pass_events() -> Any:
    return Event.objects.filter(account_id=None, name=MADE)


def _parse_pass(data: Mapping[str, Any]) -> DigestPass:
    late = data["late_until"] and datetime.fromisoformat(data["late_until"])
    return DigestPass(datetime.fromisoformat(data["until"]), late or None, data["last_event"], data["digests"])


@transaction.atomic
def make_pass(until: datetime, late_until: datetime | None, by: Actor) -> int:
    """The digests from where the last pass ended up to `until`; return how many."""
    with connection.cursor() as cursor:
        lift_time_limits(cursor)
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        last = get_last_pass()
        if last is not None and until <= last.until:
            return 0  # another node was faster
        cursor.execute(ACCOUNTS)
        accounts = [PreviousDigest(*row) for row in cursor.fetchall()]
    late_until = late_until or (last.late_until if last else None)
    with snapshot(seconds=0) as reader:
        last_event = _get_last_event(reader, last.last_event if last else 0, until)
        read = _read_rows(reader, last, until, late_until, last_event, accounts)
    everyone = until.hour == 0 or last is None
    documents = []
    inserted = []
    for previous in accounts:
        if everyone or previous.number is None or read.has(previous.account_id):
            document = _build_document(previous, last, until, late_until, last_event, read)
            documents.append(document)
            reach = (until, late_until, last_event, document)
            inserted.append((previous.account_id, (previous.number or 0) + 1, previous.until, *reach))
    if not inserted:
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, inserted)
    record(
        MADE,
        by=by,
        account_id=None,
        target=DIGESTS,
        until=format_instant(until),
        late_until=format_instant(late_until) if late_until else "",
        last_event=last_event,
        digests=len(documents),
        sha256=hashlib.sha256(b"".join(bytes.fromhex(hash_document(document)) for document in documents)).hexdigest(),
    )
    return len(documents)


def hash_document(document: str) -> str:
    """By what the next digest names this one."""
    return hashlib.sha256(document.encode()).hexdigest()


def _get_last_event(cursor: Cursor, after: int, until: datetime) -> int:
    """The last event of the chain before the first one that was written at `until` or later."""
    cursor.execute(NEXT_EVENT, [after, until])
    (last,) = cursor.fetchone() or (None,)
    if last is None:
        cursor.execute(LAST_EVENT)
        row = cursor.fetchone()
        assert row is not None
        last = row[0]
    return int(last)


def _read_rows(
    cursor: Cursor,
    last: DigestPass | None,
    until: datetime,
    late_until: datetime | None,
    last_event: int,
    accounts: list[PreviousDigest],
) -> PassContents:
    read = PassContents(calls=dict(normal_form.summarize_calls(cursor, last.until if last else None, until)))
    if late_until and late_until != (last.late_until if last else None):
        read.late = dict(normal_form.summarize_late_columns(cursor, last.late_until if last else None, late_until))
    # Of the installation's events, those that came since any account's last digest.
    after = min((of.last_event for of in accounts if of.last_event is not None), default=0)
    number = normal_form.EVENT_COLUMNS.index("number")
    for account_id, own_number, name, seq, row in normal_form.iterate_events(
        cursor, min(after, last_event), last_event
    ):
        if account_id is None:
            hashed = hashlib.sha256(row).hexdigest()
            told = {"number": own_number, "event": name, "routine": name in ROUTINE, "sha256": hashed}
            read.installation.append((seq, told))
        elif last is None or seq > last.last_event:
            read.events.setdefault(account_id, normal_form.RowSummary(number)).add(row)
    return read


def _build_document(
    previous: PreviousDigest,
    last: DigestPass | None,
    until: datetime,
    late_until: datetime | None,
    last_event: int,
    read: PassContents,
) -> str:
    account = previous.account_id
    calls = read.calls.get(account) or normal_form.RowSummary(0)
    late = read.late.get(account) or normal_form.RowSummary(0)
    # An account that is new has nothing of its own from before, but the installation has.
    known = previous.last_event if previous.last_event is not None else last.last_event if last else 0
    known_until = previous.until or (last.until if last else None)
    told = {
        "version": VERSION,
        "account": {"id": account, "slug": previous.slug},
        "number": (previous.number or 0) + 1,
        "previous": hash_document(previous.document) if previous.document is not None else None,
        "since": _format_instant(previous.until),
        "until": format_instant(until),
        # Who may not see a number could find it by trying all that give the hash of the whole.
        "calls": calls.as_json(whole=not previous.masks, hidden=True),
        "late": {"since": _format_instant(previous.late_until), "until": _format_instant(late_until), **late.as_json()},
        "events": (read.events.get(account) or normal_form.RowSummary(0)).as_json(),
        "installation": {
            "since": _format_instant(known_until),
            "events": [told for seq, told in read.installation if seq > known],
        },
        "columns": COLUMNS,
        # The last event of the installation's chain that this or an earlier digest covers, of whichever account.
        "chain": last_event,
    }
    signed = signed_json.signed(told, kind=KIND, key=settings.CHECKPOINT_KEY)
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _format_instant(at: datetime | None) -> str | None:
    return format_instant(at.astimezone(UTC)) if at else None
