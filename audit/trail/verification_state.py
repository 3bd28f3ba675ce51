"""The state of verification: how far trail and log are verified, and which problems are not acknowledged.

The trail page's badge shows it, and the hourly verification continues from it. It is one row of JSON with a MAC of the
audit keys, which only the owner's role may write. Problems stay until somebody acknowledges them, whatever a later
verification finds.
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
from core.program import PROGRAM

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
# Failed verifications since the last acknowledgement.
UNACKNOWLEDGED = """
    SELECT body FROM audit_event
    WHERE target_kind = %(kind)s AND target_id = %(id)s AND name = %(failed)s AND seq > (
        SELECT coalesce(max(seq), 0) FROM audit_event
        WHERE target_kind = %(kind)s AND target_id = %(id)s AND name = %(acknowledged)s
    ) ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that is not acknowledged; `key` and `lasting` are those of verdict.Problem."""

    text: str
    key: str
    lasting: bool
    found: datetime


@dataclass(frozen=True, slots=True)
class VerificationState:
    """The chain was good up to event `seq` at the last verification, `at`. The last full one was at `whole_at` (None
    before the first), of events up to `whole_seq` and the calls of `seals` seals. `accepted` are the keys of
    acknowledged problems that cannot be repaired. `forged` if the row's MAC is wrong."""

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
        """The problems that are not acknowledged, in words."""
        return [FORGED] * self.forged + [finding.text for finding in self.findings]

    @property
    def known(self) -> Verdict:
        """Where to continue: from the beginning while there are problems."""
        return BEGINNING if self.problems else Verdict(self.seq, self.mac)

    @property
    def anchors(self) -> dict[int, bytes]:
        """The last good event, which the chain must still contain."""
        return {self.seq: self.mac} if self.seq else {}


UNVERIFIED = VerificationState(0, chain.FIRST_PREV, datetime(2000, 1, 1, tzinfo=UTC))


def read_state() -> VerificationState | None:
    """Return the state; None before the first verification."""
    return _read(connection)


def is_full_verification_due(state: VerificationState | None, now: datetime) -> bool:
    """Return whether the last full verification was FULL_VERIFICATION_INTERVAL ago, never, or in the future by a clock
    that was set back."""
    return (
        state is None
        or state.whole_at is None
        or not state.whole_at <= now < state.whole_at + FULL_VERIFICATION_INTERVAL
    )


def verify_incrementally(by: Actor, *, whole: bool = False) -> VerificationState:
    """Verify the events since the last verification and the database's objects, or everything if that is due or
    `whole`; record the verdict and return the new state."""
    state, now = read_state(), datetime.now(UTC)
    whole = whole or is_full_verification_due(state, now)
    state = state or UNVERIFIED
    known = BEGINNING if whole else state.known
    verdict = verify(settings.AUDIT_KEYS, state.anchors, known=known, calls=whole, accepted=state.accepted)
    return record_verdict(verdict, whole=whole, by=by)


def record_verdict(verdict: Verdict, *, whole: bool, by: Actor) -> VerificationState:
    """Merge a verdict into the state and return it; `whole` says that everything was verified. New problems are
    recorded as an event, logged at level error and mailed to SECURITY_MAIL."""
    before = _update_state(lambda state: _merge_verdict(state, verdict, whole))
    known = {finding.key for finding in before.findings}
    new = [FORGED] * before.forged + [problem.text for problem in verdict.problems if problem.key not in known]
    if new:
        log.error("tampering_found", problems=new, good_to_event=verdict.events)
        _record_event(FAILED, by, problems=new, events=verdict.events)
        if settings.SECURITY_MAIL:
            send(
                "tampering",
                settings.SECURITY_MAIL,
                problems="; ".join(new),
                events=str(verdict.events),
                program=PROGRAM,
            )
    return read_state() or UNVERIFIED


def acknowledge(*, by: Actor, reason: str) -> list[str]:
    """Acknowledge all problems with an event, and return them in words. Lasting ones are accepted from now on, as long
    as their evidence stays the same; others are found again unless they were repaired. The next verification begins at
    the first event."""
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
    # The daily verification is done even if it found problems.
    return replace(state, at=now, findings=(*state.findings, *new), whole_at=now if whole else state.whole_at)


def _update_state(change: Callable[[VerificationState], VerificationState]) -> VerificationState:
    """Replace the state by `change(state)` under a table lock; return the state before."""
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
    """Return the unacknowledged findings according to the trail; for when the state is missing, perhaps deleted."""
    with connection.cursor() as cursor:
        names = {"kind": TRAIL.kind, "id": TRAIL.id, "failed": FAILED, "acknowledged": ACKNOWLEDGED}
        cursor.execute(UNACKNOWLEDGED, names)
        texts = dict.fromkeys(text for (body,) in cursor.fetchall() for text in json.loads(body)["data"]["problems"])
    problems = [Problem(text) for text in texts]
    return tuple(Finding(problem.text, problem.key, False, datetime.now(UTC)) for problem in problems)


def _record_event(name: str, by: Actor, **data: Any) -> None:
    """Record the event if possible: tampering with the trail may prevent it, and must still be reported."""
    try:
        with transaction.atomic():
            record(name, by=by, account_id=None, target=TRAIL, **data)
    except (DatabaseError, TypeError) as error:
        log.error("event_not_recorded", name=name, error=str(error))
