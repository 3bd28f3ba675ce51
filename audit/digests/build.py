"""Make the digests of each hour that is over: one pass over its rows for all accounts, then a signature for each."""

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
from audit.digests.check import check_passes
from audit.models import Event
from audit.trail.chain import format_instant
from audit.trail.events import ROUTINE, Target
from audit.trail.record import record
from core import signed_json
from core.actor import Actor
from core.replica import lift_time_limits, open_snapshot

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
# Each account with its last digest, if any.
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


class DigestMismatch(RuntimeError):
    """The accounts' last digests are not those that were made: a new digest would sign over a forged one."""


class DigestPass(NamedTuple):
    """A pass: how far the digests reach afterwards, in time, in time of late columns and in the chain; and how many it
    made."""

    until: datetime
    late_until: datetime | None
    last_event: int
    digests: int


class PreviousDigest(NamedTuple):
    """An account and the columns of its last digest, None if it has none. `masks`: its phone numbers are masked."""

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
    """The rows of a pass, summarised by account; events of the installation with their places in the chain."""

    calls: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    late: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    events: dict[int, normal_form.RowSummary] = field(default_factory=dict)
    installation: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def has_rows(self, account_id: int) -> bool:
        """Return whether the account itself had calls, late columns or events."""
        return any(account_id in summaries for summaries in (self.calls, self.late, self.events))


def make_digests(by: Actor) -> int:
    """Make the digests of every hour that is over: for each account with calls or events in it, and at midnight UTC for
    every account. Return how many were made. Safe at any time from any node. Call after sealing, which says up to where
    late columns can no longer arrive. Raise DigestMismatch if a digest to follow is not one that was made."""
    return make_digests_until(seals.read_watermark(), seals.get_sealed_until(seals.LATE), by)


def make_digests_until(watermark: datetime, late_watermark: datetime | None, by: Actor) -> int:
    """Make the digests up to the watermark, and of late columns up to `late_watermark`: before them nothing may appear
    any more. Return how many were made."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Every event before the watermark is committed once the head can be locked.
        cursor.execute("SELECT seq FROM audit_head WHERE chain = 1 FOR UPDATE")
    last, digest_count = get_last_pass(), 0
    until = watermark if last is None else last.until + HOUR
    while until <= watermark:
        digest_count += make_pass(until, late_watermark if until == watermark else None, by)
        until += HOUR
    return digest_count


def get_last_pass() -> DigestPass | None:
    """Return the last pass that made digests, None before the first."""
    body = _list_pass_events().order_by("-seq").values_list("body", flat=True).first()
    return None if body is None else _parse_pass(json.loads(body)["data"])


def _list_pass_events() -> Any:
    return Event.objects.filter(account_id=None, name=MADE)


def _parse_pass(data: Mapping[str, Any]) -> DigestPass:
    late_until = data["late_until"] and datetime.fromisoformat(data["late_until"])
    return DigestPass(datetime.fromisoformat(data["until"]), late_until or None, data["last_event"], data["digests"])


@transaction.atomic
def make_pass(until: datetime, late_until: datetime | None, by: Actor) -> int:
    """Make the digests from the end of the last pass up to `until`; return how many were made. Raise DigestMismatch."""
    with connection.cursor() as cursor:
        lift_time_limits(cursor)
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        last = get_last_pass()
        if last is not None and until <= last.until:
            return 0  # another node was faster
        cursor.execute(ACCOUNTS)
        accounts = [PreviousDigest(*row) for row in cursor.fetchall()]
        if problems := check_passes(cursor, {account.until for account in accounts if account.until}):
            raise DigestMismatch(problems[0].text)
    late_until = late_until or (last.late_until if last else None)
    with open_snapshot(seconds=0) as reader:
        last_event = _get_last_event(reader, last.last_event if last else 0, until)
        contents = _read_rows(reader, last, until, late_until, last_event, accounts)
    everyone = until.hour == 0 or last is None
    documents = []
    inserted = []
    for previous in accounts:
        if everyone or previous.number is None or contents.has_rows(previous.account_id):
            document = _build_document(previous, last, until, late_until, last_event, contents)
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
    """Return the SHA-256 (hex) of a digest's document, by which the next digest refers to it."""
    return hashlib.sha256(document.encode()).hexdigest()


def _get_last_event(cursor: Cursor, after: int, until: datetime) -> int:
    """Return the place of the last event before the first one recorded at `until` or later."""
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
    contents = PassContents(calls=dict(normal_form.summarize_calls(cursor, last.until if last else None, until)))
    if late_until and late_until != (last.late_until if last else None):
        contents.late = dict(normal_form.summarize_late_columns(cursor, last.late_until if last else None, late_until))
    # The installation's events since the earliest of the accounts' last digests.
    after = min((account.last_event for account in accounts if account.last_event is not None), default=0)
    number = normal_form.EVENT_COLUMNS.index("number")
    for account_id, own_number, name, seq, row in normal_form.iterate_events(
        cursor, min(after, last_event), last_event
    ):
        if account_id is None:
            hashed = hashlib.sha256(row).hexdigest()
            entry = {"number": own_number, "event": name, "routine": name in ROUTINE, "sha256": hashed}
            contents.installation.append((seq, entry))
        elif last is None or seq > last.last_event:
            contents.events.setdefault(account_id, normal_form.RowSummary(number)).add(row)
    return contents


def _build_document(
    previous: PreviousDigest,
    last: DigestPass | None,
    until: datetime,
    late_until: datetime | None,
    last_event: int,
    contents: PassContents,
) -> str:
    account = previous.account_id
    calls = contents.calls.get(account) or normal_form.RowSummary(0)
    late = contents.late.get(account) or normal_form.RowSummary(0)
    # A new account has no rows of its own from before, but the installation has events.
    known = previous.last_event if previous.last_event is not None else last.last_event if last else 0
    known_until = previous.until or (last.until if last else None)
    statement = {
        "version": VERSION,
        "account": {"id": account, "slug": previous.slug},
        "number": (previous.number or 0) + 1,
        "previous": hash_document(previous.document) if previous.document is not None else None,
        "since": _format_instant(previous.until),
        "until": format_instant(until),
        # A reader to whom phone numbers are masked could find them by trying all numbers against a hash of the unmasked
        # rows.
        "calls": calls.as_json(whole=not previous.masks, masked=True),
        "late": {"since": _format_instant(previous.late_until), "until": _format_instant(late_until), **late.as_json()},
        "events": (contents.events.get(account) or normal_form.RowSummary(0)).as_json(),
        "installation": {
            "since": _format_instant(known_until),
            "events": [stated for seq, stated in contents.installation if seq > known],
        },
        "columns": COLUMNS,
        # The last event of the chain that digests cover so far, of any account.
        "chain": last_event,
    }
    signed = signed_json.sign(statement, kind=KIND, key=settings.CHECKPOINT_KEY)
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _format_instant(at: datetime | None) -> str | None:
    return format_instant(at.astimezone(UTC)) if at else None
