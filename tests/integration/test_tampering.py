"""Everything that can be done to the trail and the API log with SQL is refused or found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections, transaction

from audit.calls import retention, seals
from audit.calls.partitions import ensure_partitions
from audit.models import Event
from audit.trail import chain, verification
from audit.trail.events import Target
from audit.trail.record import record
from audit.trail.verdict import Verdict
from audit.trail.verification import get_application_role, verify, verify_snapshot
from config import database_roles
from core.actor import Actor
from core.replica import pin_settings
from tests import tampering
from tests.databases import migrated_database
from tests.factories.calls import a_call
from tests.gateways import conninfo

BY = Actor.from_command("maintain")
BOB = Actor(kind="user", id="8", label="bob@acme.example", address="2001:db8::8", request_id="r-2")
HOUR = timedelta(hours=1)
PLACES = 20
MADE = [(table, name) for table, name in tampering.GUARDS if "{" not in table]


@dataclass(frozen=True)
class World:
    """A trail and a log with everything that can be tampered with; `anchors` is a checkpoint of their end."""

    role: str
    owner: str
    database: str
    events: list[int]
    calls: list[tuple[str, datetime]]
    dropped: datetime
    anchors: dict[int, bytes]

    def values(self, place: int) -> dict[str, object]:
        call, time = self.calls[place % len(self.calls)]
        begins = time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return {
            "role": f'"{self.role}"',
            "owner": f'"{self.owner}"',
            "database": f'"{self.database}"',
            "n": place,
            "seq": self.events[place % len(self.events)],
            "call": call,
            "dropped": self.dropped - timedelta(days=30),
            "month": f"audit_call_{begins:%Y_%m}",
            "begins": begins,
            "ends": seals.get_next_month(begins),
        }


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    with django_db_blocker.unblock(), migrated_database("tampering"):  # type: ignore[attr-defined]
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        late = {"status": 200, "duration_ms": 1.5, "bytes": 10}
        for hours in (70 * 24, 70 * 24 - 1):
            a_call(None, time=now - hours * HOUR, **late)
        # Late columns come or not; two calls in an hour, hours without.
        times = [now - (240 - 5 * n) * HOUR + m * timedelta(minutes=20) for n in range(12) for m in range(2)]
        made = [(str(a_call(None, time=time, **late)), time) for time in times]
        a_call(None, time=now - 90 * HOUR)
        for hours in (40, 20, 3):
            a_call(None, time=now - hours * HOUR, **(late if hours > 30 else {}))
        a_call(None)
        ensure_partitions()
        seals._seal_until(now - 245 * HOUR, seals.LOG, BY)
        seals.seal_hours(BY)
        seals.seal_late_columns(BY)
        assert retention.drop_old_months(38, BY)
        seqs = [_event(n) for n in range(PLACES + 3)][:PLACES]
        database_roles.grant_rights()
        dropped = retention.get_dropped_until()
        last = Event.objects.latest("seq")
        with connections["maintenance"].cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            owner, database = cursor.fetchone()
        assert dropped
        found = World(get_application_role(), owner, database, seqs, made, dropped, {last.seq: bytes(last.mac)})
        assert verify(settings.AUDIT_KEYS, found.anchors).problems == ()
        for open_connection in connections.all():
            open_connection.close()
        yield found


@transaction.atomic
def _event(n: int) -> int:
    """With what JSON escapes in every second one, and with data that look like the end of a body."""
    target = Target("key", f"{n:012}", "Worker" if n % 2 else 'The "new"\n\\worker')
    return record("key.revealed", by=BOB, account_id=1, target=target, api={"are": 1, "event": "key.made"})


class Undone(Exception):
    """Ends a transaction whose changes are not to be kept."""


def tampered(
    owner: psycopg.Connection[Any], world: World, tamper: Callable[[psycopg.Cursor[Any]], object], *, guards: bool
) -> Verdict:
    """Return what is found after `tamper`, which is undone; with `guards` it is done while they are off."""
    verdict: Verdict | None = None
    try:
        with owner.transaction(), owner.cursor() as cursor:
            if guards:
                cursor.execute("; ".join(f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name in MADE))
            tamper(cursor)
            if guards:
                cursor.execute("; ".join(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in MADE))
            pin_settings(cursor)
            verdict = verify_snapshot(cursor, world.role, settings.AUDIT_KEYS, world.anchors)
            raise Undone
    except Undone:
        assert verdict is not None
        return verdict


def statement(text: str) -> Callable[[World, int], Callable[[psycopg.Cursor[Any]], object]]:
    def at(world: World, place: int) -> Callable[[psycopg.Cursor[Any]], object]:
        values = world.values(place)
        return lambda cursor: cursor.execute(_filled(text, values))

    return at


def _filled(text: str, values: dict[str, object]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def plain_column(world: World, place: int) -> Callable[[psycopg.Cursor[Any]], object]:
    column, value = list(tampering.GENERATED.items())[place % len(tampering.GENERATED)]
    text = (
        f"ALTER TABLE audit_event ALTER COLUMN {column} DROP EXPRESSION; "
        f"UPDATE audit_event SET {column} = {value} WHERE seq = {{seq}}"
    )
    return statement(text)(world, place)


def other_expression(world: World, place: int) -> Callable[[psycopg.Cursor[Any]], object]:
    """PostgreSQL 17 and later."""
    column, value = list(tampering.GENERATED.items())[place % len(tampering.GENERATED)]

    def tamper(cursor: psycopg.Cursor[Any]) -> None:
        cursor.execute(
            "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid "
            "AND attnum = adnum WHERE adrelid = 'audit_event'::regclass AND attname = %s",
            [column],
        )
        row = cursor.fetchone()
        assert row
        one = f"CASE WHEN seq = {world.values(place)['seq']} THEN {value} ELSE {row[0]} END"
        cursor.execute(f"ALTER TABLE audit_event ALTER COLUMN {column} SET EXPRESSION AS ({one})")

    return tamper


def written_anew(world: World, place: int) -> Callable[[psycopg.Cursor[Any]], object]:
    """Everything from there on, with the key, and the head with it."""
    seq = world.values(place)["seq"]

    def tamper(cursor: psycopg.Cursor[Any]) -> None:
        rows = cursor.execute(
            "SELECT seq, prev, key_id, at, body FROM audit_event WHERE seq >= %s ORDER BY seq", [seq]
        ).fetchall()
        prev = rows[0][1]
        for number, _, key, at, body in rows:
            changed = body.replace("bob@", "eve@")
            mac = chain.compute_mac(
                settings.AUDIT_KEYS[key], prev, b"%d" % number, chain.format_instant(at).encode(), changed.encode()
            )
            cursor.execute(
                "UPDATE audit_event SET body = %s, prev = %s, mac = %s WHERE seq = %s", [changed, prev, mac, number]
            )
            prev = mac
        cursor.execute("UPDATE audit_head SET mac = %s", [prev])

    return tamper


@pytest.mark.quality(26)
def test_tampering_by_the_owner_is_found(world: World, full: bool, figure: Callable[[str], None]) -> None:
    kinds: dict[str, Callable[[World, int], Callable[[psycopg.Cursor[Any]], object]]] = {
        name: statement(text) for name, text in (tampering.EVENTS | tampering.CALLS | tampering.SUMS).items()
    }
    kinds |= {"a trail written anew with the key": written_anew, "a column made plain and changed": plain_column}
    missed, tried, refused = [], 0, 0
    with psycopg.connect(conninfo("maintenance")) as owner:
        if owner.info.server_version >= 170000:
            kinds["another expression for a column"] = other_expression
        owner.rollback()
        for number, (kind, at) in enumerate(kinds.items()):
            for place in range(PLACES) if full else [number % PLACES]:
                verdict = tampered(owner, world, at(world, place), guards=True)
                tried += 1
                if not verdict.problems:
                    missed.append((kind, place))
        for number, (kind, texts) in enumerate(tampering.OBJECTS.items()):
            for place, text in enumerate(texts) if full else [(number % len(texts), texts[number % len(texts)])]:
                tried += 1
                try:
                    verdict = tampered(owner, world, statement(text)(world, place), guards=False)
                except psycopg.errors.InsufficientPrivilege:
                    # An owner who is no superuser has no power over the application's role.
                    assert kind in tampering.NEEDS_SUPERUSER, (kind, text)
                    refused += 1
                    continue
                if not verdict.problems:
                    missed.append((kind, place))
    assert missed == []
    assert len(kinds) >= 40
    assert verify(settings.AUDIT_KEYS, world.anchors).problems == ()
    places = f"{PLACES} places" if full else "1 place"
    found, kinds_of_objects = tried - refused, len(tampering.OBJECTS)
    figure(
        f"by the owner: {len(kinds)} kinds of changes of rows and columns x {places}, {kinds_of_objects} kinds of "
        f"changes of tables, triggers and rights; with the anchor {found} of {tried} found, {refused} refused"
    )


@pytest.mark.parametrize("kind", tampering.OBJECTS)
def test_each_change_of_an_object_can_be_tried(world: World, kind: str) -> None:
    """A sample of them is verified in each run: that the others name what there is must not wait for all of them."""
    with psycopg.connect(conninfo("maintenance")) as owner:
        for place, text in enumerate(tampering.OBJECTS[kind]):
            with owner.cursor() as cursor:
                try:
                    statement(text)(world, place)(cursor)
                except psycopg.errors.InsufficientPrivilege:
                    assert kind in tampering.NEEDS_SUPERUSER, text
            owner.rollback()


def test_what_pages_show_is_compared_with_the_body_event_by_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the definitions are as they were, or were put back."""
    monkeypatch.setattr(verification, "check_objects", lambda *_: [])
    with psycopg.connect(conninfo("maintenance")) as owner:
        for place, column in enumerate(tampering.GENERATED):
            verdict = tampered(owner, world, plain_column(world, place), guards=True)
            seq = world.values(place)["seq"]
            assert verdict.problem == f"event {seq} is shown with another {column} than was written"
            assert verdict.events == world.events[place] - 1


def test_a_column_cannot_hold_the_text_between_two_parts_of_the_body(world: World) -> None:
    """Its event's body ends with that text, were it not for what JSON escapes."""
    seq = world.events[1]

    def tamper(cursor: psycopg.Cursor[Any]) -> None:
        cursor.execute(
            'SELECT substring(body FROM \',"event":"(.*)","number"\') FROM audit_event WHERE seq = %s', [seq]
        )
        row = cursor.fetchone()
        assert row
        assert row[0].startswith('key.made"')
        cursor.execute("ALTER TABLE audit_event ALTER COLUMN name DROP EXPRESSION")
        cursor.execute("UPDATE audit_event SET name = %s WHERE seq = %s", [row[0], seq])

    with psycopg.connect(conninfo("maintenance")) as owner:
        verdict = tampered(owner, world, tamper, guards=True)
    assert verdict.problem == f"event {seq} is shown with another name than was written"


@pytest.mark.quality(26)
def test_tampering_by_the_application_is_refused_or_found(world: World, figure: Callable[[str], None]) -> None:
    refused, found, missed = 0, 0, []
    with psycopg.connect(conninfo("default")) as application:
        for text in tampering.APPLICATION:
            try:
                with application.transaction(), application.cursor() as cursor:
                    cursor.execute(_filled(text, world.values(0)))
                    pin_settings(cursor)
                    verdict = verify_snapshot(cursor, world.role, settings.AUDIT_KEYS, world.anchors)
                    raise Undone
            except Undone:
                found += bool(verdict.problems)
                if not verdict.problems:
                    missed.append(text)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.GeneratedAlways):
                refused += 1
    assert missed == []
    count = len(tampering.APPLICATION)
    assert count >= 40
    figure(f"by the application's role: {count} statements, {refused} refused, {found} found")
    connection.close()
