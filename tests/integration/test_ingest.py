"""`manage.py ingest_access_log`: the three late columns, once; what matches nothing is kept; nothing stops it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit.calls import ingest as late
from audit.models import Call, Event, Unmatched
from core.request_id import generate_request_id
from tests.factories.calls import a_call
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def line(request_id: UUID | str, status: int = 200, duration_ms: float = 1.5, size: int = 10) -> str:
    fields = {"request_id": str(request_id), "status": status, "duration_ms": duration_ms, "bytes": size}
    return json.dumps(fields) + "\n"


def ingest(file: Path, **options: bool) -> tuple[str, str]:
    output, complained = io.StringIO(), io.StringIO()
    call_command("ingest_access_log", str(file), stdout=output, stderr=complained, **options)
    return output.getvalue(), complained.getvalue()


def late_columns(request_id: UUID) -> tuple[int | None, float | None, int | None]:
    return Call.objects.values_list("status", "duration_ms", "bytes").get(request_id=request_id)


def counted() -> dict[str, object]:
    data = json.loads(Event.objects.filter(name="access_log.ingested").latest("seq").body)["data"]
    return {name: value for name, value in data.items() if value and name != "source"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def test_a_call_gets_what_the_proxy_says_and_nothing_else_changes(log):
    request_id, other = a_call(None), a_call(None)
    before = Call.objects.values().get(request_id=request_id)
    log.write_text(line(request_id, 201, 12.75, 4096))
    message, complained = ingest(log)
    assert Call.objects.values().get(request_id=request_id) == before | {
        "status": 201, "duration_ms": 12.75, "bytes": 4096,
    }  # fmt: skip
    assert late_columns(other) == (None, None, None)
    assert message.startswith("1 lines: 1 calls filled in, 0 had")
    assert complained == ""
    assert counted() == {"lines": 1, "filled": 1}


def test_the_same_lines_again_change_nothing_and_the_first_value_stays(log):
    request_id = a_call(None)
    log.write_text(line(request_id, 200) + line(request_id, 500))
    ingest(log)
    assert late_columns(request_id)[0] == 200
    assert counted() == {"lines": 2, "filled": 1, "already": 1}
    log.write_text(line(request_id, 503))
    ingest(log)
    assert late_columns(request_id)[0] == 200
    assert counted() == {"lines": 1, "already": 1}


def test_what_matches_no_call_is_kept_and_counted_and_tried_again(log):
    log.write_text(line(request_id := UUID(generate_request_id()), 404))
    ingest(log)
    ingest(log)
    assert list(Unmatched.objects.values_list("request_id", "status")) == [(request_id, 404)]
    assert counted() == {"lines": 1, "unmatched": 1}
    a_call(None, request_id=request_id)
    log.write_text("")
    ingest(log)
    assert late_columns(request_id) == (404, 1.5, 10)
    assert not Unmatched.objects.exists()
    assert counted() == {"filled": 1}


def an_old_call(hours: float) -> UUID:
    """With a request ID of its time, as every call has."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    request_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (UUID(generate_request_id()).int & ((1 << 80) - 1)))
    a_call(None, time=at, request_id=request_id)
    return request_id


def test_what_comes_after_48_hours_is_refused_by_name_and_kept_apart(log):
    in_time, too_late = an_old_call(47.9), an_old_call(48.1)
    log.write_text(line(in_time) + line(too_late))
    message, complained = ingest(log)
    assert late_columns(in_time)[0] == 200
    assert late_columns(too_late)[0] is None
    assert complained == f"Call {too_late} is sealed without its status: its line came after 48 hours.\n"
    assert "1 arrived more than 48 hours after their call" in message
    assert counted() == {"lines": 2, "filled": 1, "too_late": 1}
    assert list(Unmatched.objects.values_list("request_id", flat=True)) == [too_late]
    late.retry_unmatched()
    assert Unmatched.objects.count() == 1
    with pytest.raises(DatabaseError, match="stays as it was written"), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_call SET status = 200 WHERE request_id = %s", [too_late])


def test_only_the_newest_that_match_nothing_are_kept(log, monkeypatch):
    monkeypatch.setattr(late, "MAX_UNMATCHED", 3)
    ids = [UUID(generate_request_id()) for _ in range(5)]
    for request_id in ids:
        log.write_text(line(request_id))
        ingest(log)
    assert set(Unmatched.objects.values_list("request_id", flat=True)) == set(ids[2:])


def test_lines_that_cannot_be_read_are_named_and_the_others_count(log):
    request_id = a_call(None)
    log.write_bytes(
        b"127.0.0.1 - - GET /customers?token=kw_secret 200\n\n"
        + line(request_id).encode()
        + b'{"request_id": "-", "status": 503}\n'
        + line(request_id, status=9999).encode()
        + b"\xff\xff\0\n"
        + line(request_id).encode()[:40]
    )
    message, complained = ingest(log)
    assert late_columns(request_id)[0] == 200
    assert [text.partition(":")[0] for text in complained.splitlines()] == ["Line 1", "Line 5", "Line 6", "Line 7"]
    assert "status is '9999'; it must be a status such as 200" in complained
    assert "kw_secret" not in complained + message
    assert counted() == {"lines": 6, "filled": 1, "without_id": 1, "unreadable": 4}


def test_many_unreadable_lines_are_named_up_to_a_hundred(log):
    log.write_text("x\n" * 500)
    _, complained = ingest(log)
    assert len(complained.splitlines()) == 101
    assert counted() == {"lines": 500, "unreadable": 500}


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(CommandError, match=r"none\.log cannot be read: No such file or directory"):
        ingest(tmp_path / "none.log")


def test_calls_of_different_months_are_found(log):
    months = [datetime(2041, 1, 15, tzinfo=UTC), datetime(2041, 3, 15, tzinfo=UTC)]
    ids = []
    for at in months:
        stamp = f"{int(at.timestamp() * 1000):012x}"
        request_id = UUID(f"{stamp[:8]}-{stamp[8:]}-{generate_request_id()[14:]}")
        a_call(None, time=at + timedelta(milliseconds=3), request_id=request_id)
        ids.append(request_id)
    log.write_text("".join(map(line, ids)))
    ingest(log)
    assert [late_columns(request_id)[0] for request_id in ids] == [200, 200]


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_row_far_from_its_request_id_s_time_is_no_match(log, hours):
    request_id = UUID(generate_request_id())
    a_call(None, time=datetime.now(UTC) + timedelta(hours=hours), request_id=request_id)
    log.write_text(line(request_id))
    ingest(log)
    assert counted() == {"lines": 1, "unmatched": 1}


def test_a_batch_is_one_statement_over_the_log(log, django_assert_max_num_queries):
    ids = [a_call(None) for _ in range(300)]
    log.write_text("".join(map(line, ids)))
    with django_assert_max_num_queries(12):
        ingest(log)
    assert Call.objects.filter(status=200).count() >= 300
    assert counted() == {"lines": 300, "filled": 300}


def test_a_log_without_statistics_is_not_gone_through_for_each_line():
    """It took a quarter of a minute for a thousand lines and thirty thousand rows."""
    values: dict[str, Any] = dict.fromkeys(("first", "last"), time.time()) | {
        "request_ids": [UUID(generate_request_id()) for _ in range(1000)],
        "statuses": [200] * 1000, "durations": [1.0] * 1000, "sizes": [1] * 1000,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(late.DISABLE_NESTED_LOOPS)
        cursor.execute("EXPLAIN " + late.FILL, values)
        assert "Nested Loop" not in str(cursor.fetchall())


def test_two_at_once_fill_each_call_once(log, tmp_path):
    ids = [a_call(None) for _ in range(2000)]
    other = tmp_path / "other.log"
    log.write_text("".join(line(request_id, 200) for request_id in ids))
    other.write_text("".join(line(request_id, 201) for request_id in reversed(ids)))
    running = [command(str(file)) for file in (log, other)]
    output = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(int(text.split(" lines: ")[1].split(" ")[0]) for text in output) == 2000
    assert not Call.objects.filter(request_id__in=ids, status=None).exists()


def command(*arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
    """Return the command as an operator runs it, over the tests' database."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "ingest_access_log", *arguments],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=stdin,
    )


def test_standard_input_is_read_to_its_end():
    request_id = a_call(None)
    process = command(stdin=subprocess.PIPE)
    output, _ = process.communicate(line(request_id), timeout=60)
    assert (process.returncode, late_columns(request_id)[0]) == (0, 200)
    assert output.startswith("1 lines: 1 calls filled in")


def test_it_follows_a_file_through_rotation_and_emptying_until_it_is_told_to_stop(log):
    first, half, renamed, new, emptied = (a_call(None) for _ in range(5))
    log.write_text(line(first))
    process = command(str(log), "--follow")
    try:
        wait_until(lambda: late_columns(first)[0] == 200)
        with log.open("a") as writing:
            # A line that is not whole yet is waited for.
            writing.write(line(half)[:30])
            writing.flush()
            time.sleep(0.5)
            writing.write(line(half)[30:])
            writing.flush()
            wait_until(lambda: late_columns(half)[0] == 200)
            # Renamed: the writer goes on with the old file until it opens the new one.
            log.rename(log.with_suffix(".1"))
            time.sleep(0.5)
            writing.write(line(renamed))
        log.write_text(line(new))
        wait_until(lambda: late_columns(renamed)[0] == late_columns(new)[0] == 200)
        log.write_text("")
        time.sleep(0.6)
        with log.open("a") as writing:
            writing.write(line(emptied))
        wait_until(lambda: late_columns(emptied)[0] == 200)
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "5 lines: 5 calls filled in" in output
    assert counted() == {"lines": 5, "filled": 5}


def test_it_waits_for_a_log_that_its_proxy_has_not_created_yet(log):
    request_id = a_call(None)
    process = command(str(log), "--follow")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{log} does not exist yet: waiting for it.\n"
        log.write_text(line(request_id))
        wait_until(lambda: late_columns(request_id)[0] == 200)
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "1 lines: 1 calls filled in" in output


def test_a_wait_for_a_log_ends_when_it_is_told_to_stop(log):
    process = command(str(log), "--follow")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output.startswith("0 lines: ")) == (0, True), output


def test_who_follows_waits_for_a_database_that_is_away(log, monkeypatch):
    from django.db import OperationalError

    request_id = a_call(None)
    log.write_text(line(request_id))
    real, failures = late.apply_entries, [OperationalError("away"), OperationalError("away")]

    def complete(lines):
        if failures:
            raise failures.pop()
        return real(lines)

    monkeypatch.setattr(late, "apply_entries", complete)
    monkeypatch.setattr("audit.management.commands.ingest_access_log.RETRY_SECONDS", 0.05)
    stop = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM))
    stop.start()
    _, complained = ingest(log, follow=True)
    assert late_columns(request_id)[0] == 200
    assert complained.count("trying again") == 2
