"""Hours of the API log go into the chain; what was sealed and is no longer so is found and named."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from audit.calls import partitions, retention, rollups, seals
from audit.calls.partitions import list_partitions
from audit.models import Event
from audit.trail import checkpoints, verification_state
from audit.trail.chain import format_instant
from audit.trail.events import Target
from audit.trail.record import record
from audit.trail.verification import verify
from core.actor import Actor
from tests.databases import migrated_database
from tests.factories.accounts import an_account
from tests.factories.calls import a_call
from tests.waiting import wait_for_lasting_hour

BY = Actor.from_command("maintain")
HOUR = timedelta(hours=1)
# How many hours ago the calls were made that are sealed.
CALLS: tuple[float, ...] = (9, 7, 5, 4.9, 3)
NOW: datetime


@pytest.fixture(scope="module", autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A log that no other test writes to, since what is sealed may not grow; within one hour of the clock."""
    global NOW
    NOW = wait_for_lasting_hour()
    with django_db_blocker.unblock(), migrated_database("seals"):  # type: ignore[attr-defined]
        yield


pytestmark = pytest.mark.usefixtures("own_database")


def owner(statement: str, *params: Any) -> None:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement, params or None)


@contextmanager
def forged(*statements: str) -> Iterator[None]:
    """As the owner with the log's guards off, undone at the end: the log is copied aside and put back."""
    guards = ("change", "delete", "truncate")

    def run(*all_of: str) -> None:
        owner("ALTER TABLE audit_call DISABLE TRIGGER ALL")
        for statement in all_of:
            owner(statement)
        for guard in guards:
            owner(f"ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_{guard}")

    owner("CREATE TABLE aside AS SELECT * FROM audit_call")
    run(*statements)
    try:
        yield
    finally:
        run("DELETE FROM audit_call", "INSERT INTO audit_call SELECT * FROM aside")
        owner("DROP TABLE aside")


@pytest.fixture(scope="module")
def sealed(own_database: None) -> list[seals.Seal]:
    """The first seal; then two calls in an hour, none in the next, one in the third, none after; the last hour is not
    over yet."""
    for hours in CALLS[:2]:
        a_call(None, time=NOW - hours * HOUR)
    # Early in a month they are of the month before, for which a new database has no partition.
    partitions.ensure_partitions()
    while seals._seal_next(NOW - 5 * HOUR, BY, step=timedelta.max):
        pass
    for hours in CALLS[2:]:
        a_call(None, time=NOW - hours * HOUR)
    a_call(None, time=NOW + timedelta(seconds=1))
    return seals.seal_hours(BY)


def build_seals(*hours: float) -> list[tuple[int, datetime, datetime]]:
    """Return the rows, the beginning and the end of seals with these bounds, in hours ago; none spans two months."""
    month = NOW.replace(day=1, hour=0)
    bounds = [NOW - each * HOUR for each in hours]
    bounds = sorted({*bounds, *([month] if bounds[0] < month < bounds[-1] else [])})
    times = [NOW - each * HOUR for each in CALLS]
    return [(sum(since <= at < until for at in times), since, until) for since, until in pairwise(bounds)]


def made(target: Target = seals.LOG) -> list[seals.Seal]:
    with connection.cursor() as cursor:
        return [seal for _, seal in seals.list_seals(cursor, target)]


def problem() -> str:
    return verify(settings.AUDIT_KEYS, {}).problem or ""


def test_hours_that_are_over_are_sealed_without_a_gap(sealed: list[seals.Seal]) -> None:
    assert [(seal.rows, seal.since, seal.until) for seal in sealed] == build_seals(5, 4, 3, 2, 0)
    assert seals.seal_hours(BY) == []
    first = build_seals(9, 5)
    assert sum(rows for rows, _, _ in first) == 2
    assert [(seal.rows, seal.since, seal.until) for seal in made()[: len(first)]] == first
    assert made()[len(first) :] == sealed
    assert verify(settings.AUDIT_KEYS, {}).seals == len(first) + len(sealed)


@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM audit_call WHERE time < date_trunc('hour', clock_timestamp()) - interval '4 hours 50 minutes'",
        "UPDATE audit_call SET client_address = '198.51.100.1' WHERE time < clock_timestamp() - interval '2 hours'",
        "UPDATE audit_call SET client_address = set_masklen(client_address, 31)",
        "UPDATE audit_call SET decision = 'denied', reason = 'key_expired'",
        "UPDATE audit_call SET time = time + interval '1 microsecond'",
        "UPDATE audit_call SET request_id = gen_random_uuid()",
        "UPDATE audit_call SET account_id = 7",
        "INSERT INTO audit_call SELECT (r).* FROM (SELECT r FROM audit_call r ORDER BY time LIMIT 1) one",
        "UPDATE audit_call SET path = '', query = path",
        "UPDATE audit_call SET folded = 3",
    ],
)
def test_a_sealed_call_that_was_changed_removed_or_added_is_found(sealed: list[seals.Seal], forgery: str) -> None:
    assert problem() == ""
    with forged(forgery):
        assert "is not what event" in problem()
    assert problem() == ""


def test_a_call_added_to_an_hour_that_had_none_is_found(sealed: list[seals.Seal]) -> None:
    with forged("SELECT 1"):
        a_call(None, time=NOW - 3.5 * HOUR)
        assert "it has 1 calls, not 0 calls" in problem()


def test_the_late_columns_may_arrive_after_the_seal(sealed: list[seals.Seal]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_call SET status = 200, duration_ms = 1, bytes = 2 WHERE status IS NULL")
    assert problem() == ""


def test_sealing_waits_for_calls_that_are_being_written(sealed: list[seals.Seal]) -> None:
    """The line is read only when no INSERT is under way: one that is was given its time before."""
    written, lines = threading.Event(), []

    def write() -> None:
        with transaction.atomic():
            a_call(None)
            written.set()
            time.sleep(0.5)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait()
    started = time.monotonic()
    lines.append(seals.read_watermark())
    assert time.monotonic() - started > 0.3
    writer.join()


def test_charts_add_sealed_hours_and_newer_calls(sealed: list[seals.Seal]) -> None:
    account = an_account("sums")
    before = rollups.get_bars(account_id=account.pk, since=NOW - 6 * HOUR, until=NOW + HOUR, step=HOUR).bars
    assert {(bar.allowed, bar.denied) for bar in before} == {(0, 0)}
    a_call(account, time=NOW + timedelta(seconds=2))
    a_call(account, time=NOW + timedelta(seconds=3), decision="denied", reason="key_expired")
    bars, _, cut, _ = rollups.get_bars(account_id=account.pk, since=NOW - 6 * HOUR, until=NOW + HOUR, step=HOUR)
    assert (bars[-1].start, bars[-1].allowed, bars[-1].denied) == (NOW, 1, 1)
    assert cut is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(rows), sum(calls) FROM audit_rollup")
        assert cursor.fetchone() == (5, 5)


def test_months_that_are_over_and_sealed_are_dropped_and_their_seals_stay_good(
    sealed: list[seals.Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert retention.drop_old_months(400, BY) == []
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        partitions._create_partition(cursor, "audit_call_2020_01", "FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')")
    # Nothing is dropped whose last columns are not sealed.
    assert retention.drop_old_months(400, BY) == []
    monkeypatch.setattr(seals, "LATE_AFTER", timedelta(0))
    seals.seal_late_columns(BY)
    assert problem() == ""
    assert retention.drop_old_months(400, BY) == ["2020-01"]
    assert "audit_call_2020_01" not in list_partitions()
    assert retention.get_dropped_until() == datetime(2020, 2, 1, tzinfo=UTC)
    assert problem() == ""


def test_maintain_tells_of_the_partitions_it_made_and_only_of_those(
    sealed: list[seals.Seal], capsys: pytest.CaptureFixture[str]
) -> None:
    last = max(list_partitions() - {"audit_call_default"})
    owner(f"ALTER TABLE audit_call DETACH PARTITION {last}")
    owner(f"DROP TABLE {last}")
    call_command("maintain")
    recorded = Event.objects.filter(name="partitions.made").latest("seq")
    call_command("maintain")
    month = last.removeprefix("audit_call_").replace("_", "-")
    assert f'"months":["{month}"]' in recorded.body
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Partitions")]
    assert lines == [f"Partitions made: {month}.", "Partitions made: none needed."]
    assert Event.objects.filter(name="partitions.made").latest("seq") == recorded


def test_an_hour_may_take_longer_to_seal_than_a_page_to_make(
    sealed: list[seals.Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With millions of calls, the sums take longer than a page may, and their transaction waits for the rows' hash."""
    limits = {}

    def add(since: datetime, until: datetime) -> None:
        with connection.cursor() as cursor:
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SHOW {name}")
                (limits[name],) = cursor.fetchone()
        original(since, until)

    original = rollups.insert_sums
    monkeypatch.setattr(rollups, "insert_sums", add)

    with transaction.atomic():
        assert seals._seal_next(sealed[-1].until + HOUR, BY)
        transaction.set_rollback(True)
    assert limits == {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


def test_what_is_not_sealed_is_not_dropped(sealed: list[seals.Seal]) -> None:
    month = f"{NOW:%Y-%m}"
    # Early in a month, the one before is sealed.
    assert month not in retention.drop_old_months(-100, BY)
    assert f"audit_call_{month.replace('-', '_')}" in list_partitions()


def test_the_hourly_job_says_how_far_the_trail_is_good(sealed: list[seals.Seal], tmp_path: Path) -> None:
    anchors = tmp_path / "checkpoints.jsonl"
    call_command("maintain", "--checkpoints", str(anchors))
    call_command("maintain", "--checkpoints", str(anchors))
    known = verification_state.read_state()
    assert known is not None
    assert not known.problems
    line = json.loads(anchors.read_text().splitlines()[-1])
    assert (line["seq"], line["mac"]) == (known.seq, known.mac.hex())
    call_command("audit_verify", "--anchor", str(anchors))


@pytest.mark.parametrize("change", ["seq", "mac", "at", "signature", "public_key"])
def test_a_checkpoint_that_was_altered_is_no_anchor(sealed: list[seals.Seal], tmp_path: Path, change: str) -> None:
    made = checkpoints.build_checkpoint()
    other = {"seq": made["seq"] + 1, "mac": made["mac"][:-1] + ("0" if made["mac"][-1] != "0" else "1")}
    made[change] = other[change] if change in other else made[change][:-4] + "AAA="
    checkpoints.append_line(tmp_path / "anchor", checkpoints.format_checkpoint(made))
    with pytest.raises(CommandError, match="line 1 is a checkpoint, but it"):
        call_command("audit_verify", "--anchor", str(tmp_path / "anchor"))


@pytest.mark.quality(20)
def test_no_call_appears_behind_the_line_while_calls_are_written(
    sealed: list[seals.Seal], monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None], full: bool
) -> None:
    """Sealing by the second, while writers take their time between INSERT and COMMIT: every seal holds at the end."""
    monkeypatch.setattr(seals, "UNIT", "second")
    monkeypatch.setattr(seals, "HOUR", timedelta(seconds=1))
    monkeypatch.setattr(rollups, "insert_sums", lambda *_: None)
    over, written = threading.Event(), [0] * 4

    def write(place: int) -> None:
        while not over.is_set():
            with transaction.atomic():
                a_call(None)
                time.sleep((0, 0.001, 0.02, 0.2)[place])
            written[place] += 1
        connection.close()

    writers = [threading.Thread(target=write, args=(place,)) for place in range(len(written))]
    for writer in writers:
        writer.start()
    made: list[seals.Seal] = []
    try:
        until = time.monotonic() + (60 if full else 8)
        while time.monotonic() < until:
            made += seals.seal_hours(BY)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert len(made) >= 3
    assert all(written)
    # Sums are of hours; none were made here.
    assert [p.text for p in verify(settings.AUDIT_KEYS, {}).problems if "chart totals" not in p.text] == []
    figure(f"{sum(seal.rows for seal in made):,} calls sealed in {len(made)} seals under load, none behind the line")


def test_a_seal_left_out_of_the_chain_is_found_by_the_gap(sealed: list[seals.Seal]) -> None:
    """The last test: its event stays."""
    since = format_instant(NOW + HOUR)
    recorded = {"since": since, "until": since, "rows": 0, "first": "", "last": "", "sha256": "", "form": 2}
    with transaction.atomic():
        record(seals.SEALED, by=BY, account_id=None, target=seals.LOG, **recorded)
    assert f"seals the API log from {since}, the one before to" in problem()
