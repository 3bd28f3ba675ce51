"""What a verification found stays until somebody acknowledges it; the badge, the alarm and the checkpoints follow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client

from accounts.models import User
from audit.calls import retention, seals
from audit.calls.partitions import ensure_partitions, list_partitions
from audit.digests.build import make_pass
from audit.models import Digest, Event
from audit.trail import verification_state
from audit.trail.chain import format_instant
from audit.trail.record import record
from audit.trail.verdict import BEGINNING
from audit.trail.verification import verify
from audit.trail.verification_state import FULL_VERIFICATION_INTERVAL, is_full_verification_due, read_state
from core.actor import Actor
from core.authorization import find_decision_maker
from core.permissions import Role
from tests.databases import migrated_database
from tests.factories.accounts import ADDRESS, a_user, an_account
from tests.factories.calls import a_call

BY = Actor.from_command("maintain")
BOB = Actor(kind="user", id="8", label="bob@acme.example")


@pytest.fixture(scope="module", autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    with django_db_blocker.unblock(), migrated_database("verified"):  # type: ignore[attr-defined]
        a_user(None, "Sam", Role.SUPPORT)
        yield


def owner(statement: str, *params: Any) -> None:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement, params or None)


@transaction.atomic
def an_event() -> int:
    return record("user.signed_out", by=BOB, account_id=None)


def body_of(seq: int, old: str, new: str) -> None:
    """Rewrite an event, and put the guard back."""
    owner("ALTER TABLE audit_event DISABLE TRIGGER audit_event_refuse_change")
    owner("UPDATE audit_event SET body = replace(body, %s, %s) WHERE seq = %s", old, new, seq)
    owner("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change")


def problems() -> list[str]:
    state = read_state()
    assert state is not None
    return state.problems


def maintain(tmp_path: Path) -> Path:
    file = tmp_path / "checkpoints.jsonl"
    call_command("maintain", "--checkpoints", str(file))
    return file


def acknowledge() -> None:
    call_command("audit_acknowledge", "--by", "sam@support.example", "--reason", "a drill")


def test_a_finding_stays_is_told_and_stops_checkpoints_until_it_is_acknowledged(
    tmp_path: Path, settings: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECURITY_MAIL = "security@example.com"  # type: ignore[attr-defined]
    seq = an_event()
    an_event()
    signed = maintain(tmp_path).read_text()
    assert problems() == []
    body_of(seq, "bob@", "eve@")
    # The hourly job looks at what is new; once a day, at everything.
    owner("UPDATE audit_verification SET body = body")
    found = f"event {seq} is not as it was written"
    mail.outbox.clear()
    with pytest.raises(CommandError, match=found):
        call_command("audit_verify")
    assert problems() == [found]
    event = Event.objects.filter(name="verification.failed").latest("seq")
    assert json.loads(event.body)["data"] == {"problems": [found], "events": seq - 1}
    (message,) = mail.outbox
    assert message.to == ["security@example.com"]
    assert found in message.body
    assert any("tampering_found" in str(line.msg) and line.levelname == "ERROR" for line in caplog.records)

    # Made good, so that every later verification is: the finding stays, told once.
    body_of(seq, "eve@", "bob@")
    assert verify(settings_keys(), {}).problems == ()
    with pytest.raises(CommandError, match="nobody has acknowledged"):
        call_command("audit_verify")
    with pytest.raises(CommandError, match="No checkpoint is signed"):
        maintain(tmp_path)
    with pytest.raises(CommandError, match="No checkpoint is signed"):
        call_command("audit_checkpoint")
    assert (tmp_path / "checkpoints.jsonl").read_text() == signed
    assert len(mail.outbox) == 1
    assert problems() == [found]

    for who, reason in (("nobody@example.com", "x"), ("sam@support.example", " ")):
        with pytest.raises(CommandError, match=r"--by|--reason"):
            call_command("audit_acknowledge", "--by", who, "--reason", reason)
    acknowledge()
    event = Event.objects.filter(name="verification.acknowledged").latest("seq")
    assert (event.actor, json.loads(event.body)["data"]) == (
        "sam@support.example by manage.py audit_acknowledge",
        {"problems": [found], "reason": "a drill"},
    )
    assert problems() == []
    assert maintain(tmp_path).read_text() != signed


def test_an_administrator_answers_for_all_accounts_only_where_nobody_is_support() -> None:
    with transaction.atomic():
        administrator = a_user(an_account("cove"), "Cleo", Role.ADMINISTRATOR)
        with pytest.raises(CommandError, match="where nobody is Support"):
            call_command("audit_acknowledge", "--by", administrator.email, "--reason", "a drill")
        User.objects.filter(roles__contains=[Role.SUPPORT]).update(is_active=False)
        assert find_decision_maker(administrator.email.upper()) == administrator
        assert find_decision_maker("sam@support.example") is None
        transaction.set_rollback(True)


def read_badge() -> str:
    """Return what the trail's page tells an Auditor about the verification."""
    with transaction.atomic():
        client = Client(REMOTE_ADDR=ADDRESS)
        client.force_login(a_user(an_account("dune"), "Arthur", Role.AUDITOR))
        page = client.get("/audit/").content.decode()
        transaction.set_rollback(True)
    (message,) = re.findall(r'<p class="(?:chain|note bad)".*?</p>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", message).split())


def test_the_badge_says_what_was_found_acknowledged_and_passed_over(tmp_path: Path) -> None:
    seq = an_event()
    maintain(tmp_path)
    state = read_state()
    assert state is not None
    passed_over = len(state.accepted)
    assert read_badge().startswith("Verified just now, up to event")
    assert ("Ignored because acknowledged" in read_badge()) == bool(passed_over)
    body_of(seq, "bob@", "eve@")
    with pytest.raises(CommandError):
        call_command("audit_verify")
    assert f"Verification failed: event {seq} is not as it was written." in read_badge()
    acknowledge()
    # What was verified before is not verified any more.
    assert read_badge().startswith("Not verified since the last findings were acknowledged.")
    maintain(tmp_path)
    assert f"Ignored because acknowledged: {passed_over + 1} finding" in read_badge()
    body_of(seq, "eve@", "bob@")


def settings_keys() -> dict[int, bytes]:
    return settings.AUDIT_KEYS


def test_what_was_acknowledged_and_cannot_be_repaired_is_passed_over_but_nothing_else(tmp_path: Path) -> None:
    seq, other = an_event(), an_event()
    original = Event.objects.get(seq=seq).body
    body_of(seq, "bob@", "eve@")
    with pytest.raises(CommandError, match=f"event {seq} is not as it was written"):
        call_command("audit_verify")
    acknowledge()
    maintain(tmp_path)
    # A second change of the same event is another finding, and so is one behind it.
    body_of(seq, "eve@", "mallory@")
    with pytest.raises(CommandError, match=f"event {seq} is not as it was written"):
        call_command("audit_verify")
    body_of(seq, "mallory@", "eve@")
    acknowledge()
    body_of(other, "bob@", "eve@")
    with pytest.raises(CommandError, match=f"event {other} is not as it was written"):
        call_command("audit_verify")
    body_of(other, "eve@", "bob@")
    body_of(seq, "eve@", "bob@")
    acknowledge()
    assert Event.objects.get(seq=seq).body == original
    maintain(tmp_path)


def test_what_can_be_repaired_is_found_again_until_it_is(tmp_path: Path) -> None:
    owner("ALTER TABLE audit_head DISABLE TRIGGER audit_head_refuse_change")
    for _ in range(2):
        with pytest.raises(CommandError, match="audit_head_refuse_change"):
            maintain(tmp_path)
        acknowledge()
    owner("ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_refuse_change")
    maintain(tmp_path)


def test_a_cut_tail_is_found_by_the_state_without_an_anchor(tmp_path: Path) -> None:
    first = an_event()
    last = an_event()
    maintain(tmp_path)
    at = read_state()
    assert at is not None
    owner("ALTER TABLE audit_event DISABLE TRIGGER audit_event_refuse_change")
    owner("CREATE TABLE aside AS SELECT seq, at, body, key_id, prev, mac FROM audit_event WHERE seq > %s", first)
    owner("CREATE TABLE head AS SELECT * FROM audit_head")
    owner("DELETE FROM audit_event WHERE seq > %s", first)
    owner("UPDATE audit_head SET seq = e.seq, mac = e.mac FROM audit_event e WHERE e.seq = %s", first)
    owner("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change")
    verdict = verify(settings.AUDIT_KEYS, at.anchors)
    assert verdict.problem == f"event {last} is missing: the anchor knows event {at.seq}"
    for _ in range(2):
        with pytest.raises(CommandError, match=r"is missing: the anchor knows|is not the one that the anchor knows"):
            call_command("audit_verify")
    assert f"event {last} is missing: the anchor knows event {at.seq}" in problems()
    owner("ALTER TABLE audit_event DISABLE TRIGGER audit_event_refuse_change")
    owner("DELETE FROM audit_event WHERE seq > %s", first)
    owner("INSERT INTO audit_event (seq, at, body, key_id, prev, mac) SELECT * FROM aside")
    owner("UPDATE audit_head SET seq = h.seq, mac = h.mac FROM head h")
    owner("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change")
    owner("DROP TABLE aside, head")
    acknowledge()
    maintain(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_verification SET body = replace(body, '\"findings\": [', '\"findings\":  [')",
        "UPDATE audit_verification SET mac = sha256(mac)",
        "UPDATE audit_verification SET key_id = 99",
    ],
)
def test_a_state_that_somebody_else_wrote_is_a_finding(statement: str, tmp_path: Path) -> None:
    maintain(tmp_path)
    owner(statement)
    assert problems() == [verification_state.FORGED]
    with pytest.raises(CommandError, match="not as Keyward wrote it"):
        maintain(tmp_path)
    acknowledge()
    maintain(tmp_path)


def test_findings_come_back_from_the_trail_when_the_state_was_removed(tmp_path: Path) -> None:
    seq = an_event()
    body_of(seq, "bob@", "eve@")
    with pytest.raises(CommandError):
        call_command("audit_verify")
    body_of(seq, "eve@", "bob@")
    owner("DELETE FROM audit_verification")
    assert read_state() is None
    with pytest.raises(CommandError, match=f"event {seq} is not as it was written"):
        maintain(tmp_path)
    acknowledge()
    maintain(tmp_path)


def test_no_digest_follows_a_forged_one_and_everything_is_verified_at_once(
    tmp_path: Path, settings: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SECURITY_MAIL = "security@example.com"  # type: ignore[attr-defined]
    account = an_account("acme")
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert make_pass(hour - timedelta(hours=3), None, BY) == 1
    before = verification_state.verify_incrementally(BY, whole=True)
    assert before.problems == []
    assert before.whole_at is not None
    # The application's role may add digests; this one is of a later hour, with the earlier one's signature.
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_digest (account_id, number, since, until, late_until, last_event, document)"
            " SELECT account_id, 2, until, until + interval '1 hour', late_until, last_event,"
            " replace(document, '\"number\":1', '\"number\":2') FROM audit_digest WHERE account_id = %s",
            [account.pk],
        )
    mail.outbox.clear()
    capsys.readouterr()
    found = f"the digests until {format_instant(hour - timedelta(hours=2))} are in no event"
    for _ in range(2):
        with pytest.raises(CommandError, match="No checkpoint is signed"):
            maintain(tmp_path)
        assert f"Digests signed: no more, because {found}." in capsys.readouterr().err
    after = read_state()
    assert after is not None
    assert after.whole_at is not None
    # It was not due: the day's verification had just been.
    assert after.whole_at > before.whole_at
    assert after.problems == [found]
    (message,) = mail.outbox
    assert found in message.body
    assert Digest.objects.count() == 2
    assert Event.objects.filter(name="digests.made").count() == 1
    assert not (tmp_path / "checkpoints.jsonl").exists()

    owner("ALTER TABLE audit_digest DISABLE TRIGGER audit_digest_refuse_change")
    owner("DELETE FROM audit_digest WHERE number = 2")
    owner("ALTER TABLE audit_digest ENABLE ALWAYS TRIGGER audit_digest_refuse_change")
    acknowledge()
    assert maintain(tmp_path).exists()
    assert "none more" not in capsys.readouterr().err


def test_everything_is_verified_once_a_day_and_what_is_new_in_between(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maintain(tmp_path)
    state = read_state()
    assert state is not None
    assert state.whole_at is not None
    for now, due in (
        (state.whole_at, False),
        (state.whole_at + FULL_VERIFICATION_INTERVAL - timedelta(seconds=1), False),
        (state.whole_at + FULL_VERIFICATION_INTERVAL, True),
        (state.whole_at - timedelta(seconds=1), True),
    ):
        assert is_full_verification_due(state, now) == due
    assert is_full_verification_due(None, datetime.now(UTC))

    requests = []

    def note(*_: object, known: object, calls: bool, **__: object) -> object:
        requests.append((known, calls))
        return verify(settings.AUDIT_KEYS, {})

    monkeypatch.setattr(verification_state, "verify", note)
    maintain(tmp_path)
    state = read_state()
    assert state is not None
    monkeypatch.setattr(verification_state, "FULL_VERIFICATION_INTERVAL", timedelta(0))
    maintain(tmp_path)
    assert [calls for _, calls in requests] == [False, True]
    assert requests[0][0] != BEGINNING
    assert requests[1][0] == BEGINNING


def test_months_that_a_seal_reaches_out_of_are_dropped_and_the_rest_is_still_proved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As seals were made before they ended with the month, the very first among them."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    month = seals.get_next_month(now - timedelta(days=75))
    late = {"status": 200, "duration_ms": 1.5, "bytes": 10}
    for hours in (-200, -3, 5, 30):
        a_call(None, time=month + timedelta(hours=hours), **late)
    kept = a_call(None, time=month + timedelta(hours=31), **late)
    ensure_partitions()
    monkeypatch.setattr(seals, "get_next_month", lambda _: datetime.max.replace(tzinfo=UTC))
    seals._seal_next(month + timedelta(hours=48), BY, step=timedelta.max)
    monkeypatch.undo()
    maintain(tmp_path)
    days = (now - month).days
    monkeypatch.setattr("django.conf.settings.LOG_RETENTION_DAYS", days)
    name = f"audit_call_{month - timedelta(days=1):%Y_%m}"
    assert name in list_partitions()
    maintain(tmp_path)
    assert name not in list_partitions()
    event = Event.objects.filter(name="calls.dropped").latest("seq")
    (rest, *more) = json.loads(event.body)["data"]["rest"]
    assert (rest["since"], rest["rows"], more) == (format_instant(month), 3, [])
    verdict = verify(settings.AUDIT_KEYS, {})
    assert (verdict.problems, verdict.unproven) == ((), 0)

    owner("ALTER TABLE audit_call DISABLE TRIGGER audit_call_refuse_change")
    for status in (500, 200):
        owner("UPDATE audit_call SET status = %s, path = %s WHERE request_id = %s", status, f"/{status}", kept)
        found = [problem.text for problem in verify(settings.AUDIT_KEYS, {}, calls=True).problems]
        assert any(f"from {format_instant(month)}" in text and "is not what event" in text for text in found)
    owner("UPDATE audit_call SET path = '/customers' WHERE request_id = %s", kept)
    owner("ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_change")
    assert verify(settings.AUDIT_KEYS, {}).problems == ()


def test_a_seal_cut_by_an_earlier_version_is_told_of_and_no_finding() -> None:
    now = datetime.now(UTC)
    before = retention.DroppedMonths(now, {})
    cut = seals.Seal(now - timedelta(days=1), now + timedelta(days=1), 3, "", "", "", 1)
    later = seals.Seal(now, now + timedelta(days=1), 3, "", "", "", 1)
    assert before.get_remaining(7, cut) is None
    assert before.get_remaining(8, later) == later
    assert an_account("unused")
