"""How far the trail is known to be good: what the trail's page says, and where the hourly check goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from audit.verification import BEGINNING, Verdict, verify

NOTE = """
    INSERT INTO audit_standing (seq, mac, at, problem) VALUES (%s, %s, clock_timestamp(), %s)
    ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, mac = excluded.mac, at = excluded.at, problem = excluded.problem
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """The chain was good to event `seq` when it was looked at; `problem` is what came after, empty for nothing."""

    seq: int
    mac: bytes
    at: datetime
    problem: str


def standing() -> Standing | None:
    """None until the chain was verified for the first time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, mac, at, problem FROM audit_standing")
        row = cursor.fetchone()
    return row and Standing(row[0], bytes(row[1]), row[2], row[3])


def note(verdict: Verdict) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [verdict.events, verdict.mac, verdict.problem or ""])


def advance() -> Verdict:
    """Verify what the trail has grown by. A trail that was bad is looked at from its beginning."""
    last = standing()
    known = Verdict(last.seq, last.mac) if last and not last.problem else BEGINNING
    verdict = verify(settings.AUDIT_KEYS, {}, known=known, calls=False)
    note(verdict)
    return verdict
