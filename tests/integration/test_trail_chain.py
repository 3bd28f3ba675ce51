"""The chain under parallel writers, and under tampering by an owner who turns the triggers off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.backends.utils import CursorWrapper

from audit.models import Event
from audit.trail import chain
from audit.trail.anchors import format_anchor, read_anchors
from audit.trail.chain import compute_mac
from audit.trail.events import Target
from audit.trail.record import record
from audit.trail.verdict import Verdict
from audit.trail.verification import verify
from core.actor import Actor

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
BOB = Actor(kind="user", id="8", label="bob@acme.example", address="2001:db8::8", request_id="r-2")


@transaction.atomic
def write(count: int) -> int:
    for n in range(count):
        seq = record("key.revealed", by=BOB, account_id=1, target=Target("key", f"{n:012}", "Worker"), api="billing")
    return seq


@contextmanager
def owner() -> Iterator[CursorWrapper]:
    """Who can turn the triggers off."""
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL; ALTER TABLE audit_head DISABLE TRIGGER ALL")
        yield cursor
        for table in ("event", "head"):
            for what in ("change", "truncate"):
                cursor.execute(f"ALTER TABLE audit_{table} ENABLE ALWAYS TRIGGER audit_{table}_refuse_{what}")


def tamper(statement: str, *params: Any) -> None:
    with owner() as cursor:
        cursor.execute(statement, params or None)


@contextmanager
def undone() -> Iterator[None]:
    """Remove the events of the block again, tampered with or not: other tests verify the same chain."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, mac FROM audit_head")
        seq, head = cursor.fetchone()
    try:
        yield
    finally:
        with owner() as owned:
            owned.execute("DELETE FROM audit_event WHERE seq > %s", [seq])
            owned.execute("UPDATE audit_head SET seq = %s, mac = %s", [seq, head])
            owned.execute("DELETE FROM audit_verification")


@pytest.fixture
def kept() -> Iterator[None]:
    with undone():
        yield


def verdict(anchors: dict[int, bytes] | None = None) -> Verdict:
    return verify(settings.AUDIT_KEYS, anchors or {}, calls=False)


@pytest.mark.usefixtures("kept")
@pytest.mark.quality(17)
def test_writers_in_parallel_leave_no_gap_and_a_good_chain(full: bool, figure: Callable[[str], None]):
    writers, each = (16, 1000) if full else (8, 50)
    before = verdict()

    def writer(_: int) -> None:
        try:
            for _ in range(each):
                write(1)
        finally:
            connection.close()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(writer, range(writers)))

    after = verdict()
    assert after.problem is None
    assert after.events == before.events + writers * each
    assert Event.objects.count() == after.events
    figure(f"{writers} writers x {each} events, no gap, chain good")


def test_a_rolled_back_event_leaves_no_gap():
    first = write(1)
    with transaction.atomic():
        record("user.signed_out", by=BOB, account_id=1)
        transaction.set_rollback(True)

    assert write(1) == first + 1
    assert verdict().problem is None


TAMPERINGS = {
    "a changed body": "UPDATE audit_event SET body = replace(body, 'bob@', 'eve@') WHERE seq = {seq}",
    "white space in a body": "UPDATE audit_event SET body = body || ' ' WHERE seq = {seq}",
    "an escaped letter in a body": r"UPDATE audit_event SET body = replace(body, 'bob', '\u0062ob') WHERE seq = {seq}",
    "a changed time": "UPDATE audit_event SET at = at + interval '1 microsecond' WHERE seq = {seq}",
    "a changed key number": "UPDATE audit_event SET key_id = key_id + 1 WHERE seq = {seq}",
    "a changed link": "UPDATE audit_event SET prev = sha256(prev) WHERE seq = {seq}",
    "a changed MAC": "UPDATE audit_event SET mac = sha256(mac) WHERE seq = {seq}",
    "a shortened MAC": "UPDATE audit_event SET mac = substr(mac, 1, 31) WHERE seq = {seq}",
    "an empty MAC": "UPDATE audit_event SET mac = '' WHERE seq = {seq}",
    "a deleted event": "DELETE FROM audit_event WHERE seq = {seq}",
    "a copied event": "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) "
    "SELECT (SELECT max(seq) + 1 FROM audit_event), at, body, key_id, prev, mac FROM audit_event WHERE seq = {seq}",
    "swapped bodies": "UPDATE audit_event e SET body = o.body FROM audit_event o "
    "WHERE e.seq IN ({seq}, {seq} + 1) AND o.seq IN ({seq}, {seq} + 1) AND o.seq <> e.seq",
    "swapped events": "UPDATE audit_event SET seq = 2 * {seq} + 1 - seq + 1000000 WHERE seq IN ({seq}, {seq} + 1); "
    "UPDATE audit_event SET seq = seq - 1000000 WHERE seq > 1000000",
    "deleted and renumbered": "DELETE FROM audit_event WHERE seq = {seq}; "
    "UPDATE audit_event SET seq = seq - 1 + 1000000 WHERE seq > {seq}; "
    "UPDATE audit_event SET seq = seq - 1000000 WHERE seq > 1000000",
    "a cut tail": "DELETE FROM audit_event WHERE seq >= {seq}",
}


def roll_back(seq: int) -> None:
    """Cut the tail, and set the head back to where it then ends."""
    tamper("DELETE FROM audit_event WHERE seq >= %s", seq)
    before = Event.objects.get(seq=seq - 1)
    tamper("UPDATE audit_head SET seq = %s, mac = %s", before.seq, before.mac)


def rewrite(seq: int) -> None:
    """Everything from there on written anew, with the key."""
    events = list(Event.objects.filter(seq__gte=seq).order_by("seq"))
    prev = bytes(events[0].prev)
    with owner() as cursor:
        for event in events:
            body, key = event.body.replace("bob@", "eve@"), settings.AUDIT_KEYS[event.key_id]
            forged = compute_mac(key, prev, b"%d" % event.seq, chain.format_instant(event.at).encode(), body.encode())
            changed = "UPDATE audit_event SET body = %s, prev = %s, mac = %s WHERE seq = %s"
            cursor.execute(changed, [body, prev, forged, event.seq])
            prev = forged
        cursor.execute("UPDATE audit_head SET mac = %s", [prev])


# What nothing but an anchor shows.
BY_THE_HEAD = {"a head rolled back with its tail": roll_back, "a trail written anew with the key": rewrite}


@pytest.mark.quality(16)
def test_tampering_is_found_and_the_first_bad_event_named(full: bool, figure: Callable[[str], None]):
    places = 50 if full else 2
    found, unanchored, missed = 0, 0, []
    for kind in (*TAMPERINGS, *BY_THE_HEAD):
        for place in range(places):
            with undone():
                seq = write(place + 3) - 2
                anchored = {last.seq: bytes(last.mac) for last in Event.objects.order_by("-seq")[:1]}
                if kind in TAMPERINGS:
                    tamper(TAMPERINGS[kind].format(seq=seq))
                else:
                    BY_THE_HEAD[kind](seq)
                alone, with_anchor = verdict(), verdict(anchored)
                unanchored += alone.problem is not None
                found += with_anchor.problem is not None
                bad = seq + 3 if kind == "a copied event" else seq
                named = kind in BY_THE_HEAD or (
                    f"event {bad} " in str(with_anchor.problem) and with_anchor.events == bad - 1
                )
                if not with_anchor.problem or not named or (kind in BY_THE_HEAD) != (alone.problem is None):
                    missed.append((kind, seq, with_anchor))

    assert missed == []
    assert verdict().problem is None
    kinds = len(TAMPERINGS) + len(BY_THE_HEAD)
    figure(
        f"{kinds} kinds of tampering x {places} places: {found} of {kinds * places} found with the anchor, "
        f"{unanchored} without it (not: {', '.join(BY_THE_HEAD)})"
    )


@pytest.mark.usefixtures("kept")
def test_a_fake_event_without_the_key_is_found():
    last = write(2)
    fake = Event.objects.get(seq=last)
    forged = compute_mac(
        b"guessed" * 5, bytes(fake.mac), b"%d" % (last + 1), b"2026-11-20T00:00:00.000000Z", fake.body.encode()
    )
    tamper(
        "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) VALUES (%s, '2026-11-20Z', %s, %s, %s, %s)",
        last + 1, fake.body, fake.key_id, fake.mac, forged,
    )  # fmt: skip
    tamper("UPDATE audit_head SET seq = %s, mac = %s", last + 1, forged)

    assert verdict().problem == f"event {last + 1} is not as it was written"


@pytest.mark.usefixtures("kept")
def test_a_tail_cut_with_the_head_rolled_back_is_found_by_an_anchor_alone(tmp_path: Path):
    last = write(3)
    after = verdict()
    (tmp_path / "anchor").write_text(format_anchor(after.events, after.mac) + "\n")
    earlier = Event.objects.get(seq=last - 2)
    tamper("DELETE FROM audit_event WHERE seq > %s", earlier.seq)
    tamper("UPDATE audit_head SET seq = %s, mac = %s", earlier.seq, earlier.mac)

    assert verdict().problem is None
    assert (
        verdict(read_anchors(tmp_path / "anchor")).problem
        == f"event {last - 1} is missing: the anchor knows event {last}"
    )


@pytest.mark.usefixtures("kept")
def test_a_trail_written_anew_with_the_key_is_found_by_an_anchor_alone():
    last = write(1)
    old = Event.objects.get(seq=last)
    body = old.body.replace("bob@", "eve@")
    key = settings.AUDIT_KEYS[old.key_id]
    forged = compute_mac(
        key, bytes(old.prev), b"%d" % last, old.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode(), body.encode()
    )
    tamper("UPDATE audit_event SET body = %s, mac = %s WHERE seq = %s", body, forged, last)
    tamper("UPDATE audit_head SET mac = %s", forged)

    assert verdict().problem is None
    assert verdict({last: bytes(old.mac)}).problem == f"event {last} is not the one that the anchor knows"


def test_a_ring_without_the_key_says_so():
    last = write(1)

    assert "AUDIT_KEYS does not have" in str(verify({}, {}).problem)
    assert verify(settings.AUDIT_KEYS | {99: b"new"}, {}, calls=False) == Verdict(
        last, bytes(Event.objects.get(seq=last).mac)
    )


@pytest.mark.usefixtures("kept")
def test_the_command_prints_an_anchor_and_exits_1_on_a_bad_trail(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    last = write(3)
    call_command("audit_verify", "--trail-only")
    good, anchor = capsys.readouterr().out.splitlines()
    assert good == f"The trail is good: {last} events."
    (tmp_path / "anchor").write_text(anchor.removeprefix("Anchor: "))
    call_command("audit_verify", "--trail-only", "--anchor", str(tmp_path / "anchor"))

    tamper("DELETE FROM audit_event WHERE seq = %s", last - 1)
    with pytest.raises(CommandError, match=f"NOT good: event {last - 1} is missing") as found:
        call_command("audit_verify", "--trail-only")
    assert found.value.returncode == 1


@pytest.mark.parametrize(
    "text", ["", "\n", "anchor", "[]", '{"seq": 1}', '{"seq": 1, "mac": "xyz"}', '{"seq": null, "mac": ""}']
)
def test_an_anchor_file_that_is_none_is_refused(text: str, tmp_path: Path):
    (tmp_path / "anchor").write_text(text)

    with pytest.raises(CommandError, match="cannot be used"):
        call_command("audit_verify", "--trail-only", "--anchor", str(tmp_path / "anchor"))
    with pytest.raises(CommandError, match="cannot be used"):
        call_command("audit_verify", "--trail-only", "--anchor", str(tmp_path / "absent"))


HOSTILE = [
    "", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\u2028\u2029", "\r\n", "\t",
    "\x1b[31m", "\x7f", "\x85", "'", '"', "\\", "\\u0000", "\\x00", "'; DROP TABLE audit_event; --", "%s%n",
    "{actor}", "{0.__class__}", "${jndi:ldap://x}",
    "<script>alert(1)</script>", "<bdi>", "&lt;", "]]>", "=1+1", "@SUM(A1)", "../../etc/passwd", "é", "e\u0301", "𝄞",
    "👩‍👩‍👧", "\uffff", "\U0010ffff", "NaN", "null", "true", "1e999", "x" * 100_000,
]  # fmt: skip


@pytest.mark.quality(18)
def test_hostile_text_in_every_field_is_recorded_and_the_chain_stays_good(figure: Callable[[str], None]):
    for text in HOSTILE:
        by = Actor(kind="user", id=text, label=text, request_id=text)
        target = Target(text, text, text)
        with transaction.atomic():
            seq = record("key.edited", by=by, account_id=1, target=target, api=text, changes={text: [text, [text]]})
            record("user.sign_in_failed", by=by, account_id=None, email=text)
        event = Event.objects.get(seq=seq)
        clean = json.loads(event.body)["data"]["api"]
        assert clean == event.actor == event.target
        if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text) and len(text) < 4000:
            assert clean == text

    assert len(HOSTILE) >= 40
    assert verdict().problem is None
    figure(f"{len(HOSTILE)} hostile strings through every field of an event, all recorded, chain good")
