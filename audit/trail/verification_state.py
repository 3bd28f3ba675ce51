"""How far the trail and the log are known to be good, and what is not: the trail page's badge, and where the hourly
check goes on.

One row of JSON under a MAC of the audit keys, which only the owner's role may write. What was found stays until
somebody acknowledges it, whatever a later verification says.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction

from audit.trail import chain
from audit.trail.chain import format_instant
from audit.trail.events import Target
from audit.trail.record import record
from audit.trail.verdict import BEGINNING, Problem, Verdict
from audit.trail.verification import verify
from core.actor import Actor
from core.mail import send

log = structlog.get_logger("keyward.audit")

PURPOSE = b"keyward-verification-1"
TRAIL = Target("verification", "trail", "audit trail")
FAILED, ACKNOWLEDGED = "verification.failed", "verification.acknowledged"
FULL_VERIFICATION_INTERVAL = timedelta(days=1)
FORGED = "the verification's state in the database is not as Keyward wrote it"
READ = "SELECT body, key_id, mac FROM audit_verification"
WRITE = """
    INSERT INTO audit_verification (body, key_id, mac) VALUES (%s, %s, %s)
    ON CONFLICT (one) DO UPDATE SET body = excluded.body, key_id = excluded.key_id, mac = excluded.mac
"""
# What was found since somebody last acknowledged something.
UNACKNOWLEDGED = """
    SELECT body FROM audit_event
    WHERE target_kind = %(kind)s AND target_id = %(id)s AND name = %(failed)s AND seq > (
        SELECT coalesce(max(seq), 0) FROM audit_event
        WHERE target_kind = %(kind)s AND target_id = %(id)s AND name = %(acknowledged)s
    ) ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that nobody has acknowledged yet."""

    text: str
    key: str
    lasting: bool
    found: datetime


@dataclass(frozen=True, slots=True)
class VerificationState:
    """The chain was good to event `seq` when it was last looked at, `at`. `whole_at` is when everything was verified,
    None before the first time: events up to `whole_seq` and the calls of so many `seals`. `accepted` are the keys of
    acknowledged problems that no repair can make good; `forged` says that somebody else wrote this."""

    seq: int
    mac: bytes
    at: datetime
    whole_at: datetime | None = None
    whole_seq: int = 0
    seals: int = 0
    findings: Sequence[Finding] = ()
    accepted: frozenset[str] = field(default_factory=frozenset)
    forged: bool = False

    @property
    def problems(self) -> list[str]:
        """What is not good, in words; empty if nothing was found that nobody has acknowledged."""
        return [FORGED] * self.forged + [finding.text for finding in self.findings]

    @property
    def known(self) -> Verdict:
        """Where to go on: what was bad is looked at from the beginning."""
        return BEGINNING if self.problems else Verdict(self.seq, self.mac)

    @property
    def anchors(self) -> dict[int, bytes]:
        """What the chain must still lead to."""
        return {self.seq: self.mac} if self.seq else {}


UNVERIFIED = VerificationState(0, chain.FIRST_PREV, datetime(2000, 1, 1, tzinfo=UTC))


def read_state() -> VerificationState | None:
    """Return the state, as pages show it; None until the trail was verified for the first time."""
    return _read(connection)


def is_full_verification_due(state: VerificationState | None, now: datetime) -> bool:
    """Whether everything was not verified for a day, or a clock says something impossible."""
    return (
        state is None
        or state.whole_at is None
        or not state.whole_at <= now < state.whole_at + FULL_VERIFICATION_INTERVAL
    )


def verify_incrementally(by: Actor) -> VerificationState:
    """Verify what the trail has grown by and the database's objects; once a day everything. Return the new state."""
    state, now = read_state(), datetime.now(UTC)
    whole = is_full_verification_due(state, now)
    state = state or UNVERIFIED
    known = BEGINNING if whole else state.known
    verdict = verify(settings.AUDIT_KEYS, state.anchors, known=known, calls=whole, accepted=state.accepted)
    return record_verdict(verdict, whole=whole, by=by)


def record_verdict(verdict: Verdict, *, whole: bool, by: Actor) -> VerificationState:
    """Keep what a verification said; return the state. What it found stays, and what is new of it is an event, a line
    of the log at level error and a mail to SECURITY_MAIL."""
    before = _update_state(lambda state: _merge_verdict(state, verdict, whole))
    known = {finding.key for finding in before.findings}
    new = [FORGED] * before.forged + [problem.text for problem in verdict.problems if problem.key not in known]
    if new:
        log.error("tampering_found", problems=new, good_to_event=verdict.events)
        _record_event(FAILED, by, problems=new, events=verdict.events)
        if settings.SECURITY_MAIL:
            send("tampering", settings.SECURITY_MAIL, problems="; ".join(new), events=str(verdict.events))
    return read_state() or UNVERIFIED


def acknowledge(*, by: Actor, reason: str) -> list[str]:
    """Close what was found; return it. Events and calls that no repair can make good are passed over from now on, as
    they are now; everything else is found again unless it was repaired. The chain is looked at from its beginning."""
    before = _update_state(
        lambda state: (
            replace(
                state,
                seq=0,
                mac=chain.FIRST_PREV,
                whole_at=None,
                findings=(),
                accepted=state.accepted | {finding.key for finding in state.findings if finding.lasting},
                forged=False,
            )
            if state.problems
            else state
        )
    )
    if before.problems:
        _record_event(ACKNOWLEDGED, by, problems=before.problems, reason=reason)
    return before.problems


def _merge_verdict(state: VerificationState, verdict: Verdict, whole: bool) -> VerificationState:
    now = datetime.now(UTC)
    if state.forged:
        forged = Problem(FORGED)
        state = replace(state, findings=(Finding(forged.text, forged.key, False, now),), forged=False)
    if not verdict.problems:
        state = replace(state, seq=verdict.events, mac=verdict.mac, at=now)
        return replace(state, whole_at=now, whole_seq=verdict.events, seals=verdict.seals) if whole else state
    known = {finding.key for finding in state.findings}
    new = [Finding(p.text, p.key, p.lasting, now) for p in verdict.problems if p.key not in known]
    # The day's verification is done, though it was not good.
    return replace(state, at=now, findings=(*state.findings, *new), whole_at=now if whole else state.whole_at)


def _update_state(change: Callable[[VerificationState], VerificationState]) -> VerificationState:
    """Write what `change` makes of the state; return the state before."""
    owner = connections["maintenance"]
    with transaction.atomic(using="maintenance"), owner.cursor() as cursor:
        cursor.execute("LOCK TABLE audit_verification IN SHARE ROW EXCLUSIVE MODE")
        state = _read(owner)
        if state is None:
            state = replace(UNVERIFIED, findings=_list_unacknowledged())
        after = change(state)
        body = _format_body(after)
        number, key = next(iter(settings.AUDIT_KEYS.items()))
        cursor.execute(WRITE, [body, number, _compute_mac(key, body)])
    return state


def _read(database: Any) -> VerificationState | None:
    with database.cursor() as cursor:
        cursor.execute(READ)
        row = cursor.fetchone()
    if row is None:
        return None
    body, number, mac = row
    key = settings.AUDIT_KEYS.get(number)
    if key is None or not hmac.compare_digest(_compute_mac(key, body), bytes(mac)):
        return replace(UNVERIFIED, forged=True)
    data = json.loads(body)
    return VerificationState(
        seq=data["seq"],
        mac=bytes.fromhex(data["mac"]),
        at=datetime.fromisoformat(data["at"]),
        whole_at=data["whole_at"] and datetime.fromisoformat(data["whole_at"]),
        whole_seq=data["whole_seq"],
        seals=data["seals"],
        findings=tuple(
            Finding(**{**finding, "found": datetime.fromisoformat(finding["found"])}) for finding in data["findings"]
        ),
        accepted=frozenset(data["accepted"]),
    )


def _format_body(state: VerificationState) -> str:
    data = {
        "seq": state.seq,
        "mac": state.mac.hex(),
        "at": format_instant(state.at),
        "whole_at": state.whole_at and format_instant(state.whole_at),
        "whole_seq": state.whole_seq,
        "seals": state.seals,
        "findings": [asdict(finding) | {"found": format_instant(finding.found)} for finding in state.findings],
        "accepted": sorted(state.accepted),
    }
    return json.dumps(data, sort_keys=True)


def _compute_mac(key: bytes, body: str) -> bytes:
    return hmac.digest(key, PURPOSE + body.encode(), "sha256")


def _list_unacknowledged() -> tuple[Finding, ...]:
    """What the trail says was found and not acknowledged, where there is no state: somebody may have removed it."""
    with connection.cursor() as cursor:
        names = {"kind": TRAIL.kind, "id": TRAIL.id, "failed": FAILED, "acknowledged": ACKNOWLEDGED}
        cursor.execute(UNACKNOWLEDGED, names)
        texts = dict.fromkeys(text for (body,) in cursor.fetchall() for text in json.loads(body)["data"]["problems"])
    problems = [Problem(text) for text in texts]
    return tuple(Finding(problem.text, problem.key, False, datetime.now(UTC)) for problem in problems)


def _record_event(name: str, by: Actor, **data: Any) -> None:
    """Best effort: what was done to the trail may be in the way, and must not hide itself so."""
    try:
        with transaction.atomic():
            record(name, by=by, account_id=None, target=TRAIL, **data)
    except (DatabaseError, TypeError) as error:
        log.error("event_not_recorded", name=name, error=str(error))
