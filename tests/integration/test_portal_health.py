"""The portal's health checks: by any host name, without a session, one look a second, and the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client

from config import health
from config.health import WRITE_PROBE, CachedProbe, PortalReadiness, check_readiness
from tests.waiting import wait_until


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forget what was found before."""
    return lambda: monkeypatch.setattr(health, "PROBE", CachedProbe(check_readiness))


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["192.0.2.7", "10.0.0.1:8000", "anything.example", "[2001:db8::1]"])
def test_health_is_answered_by_any_host_name(client: Client, host: str, probe: Callable[[], None]) -> None:
    probe()
    assert client.get("/health/live", headers={"host": host}).status_code == 200
    answer = client.get("/health/ready", headers={"host": host})
    assert (answer.status_code, answer.content) == (200, b"ready\n")
    assert answer.headers["Cache-Control"].startswith("max-age=0")
    assert "Content-Security-Policy" in answer.headers
    assert client.get("/", headers={"host": host}).status_code == 400


@pytest.mark.django_db
def test_a_schema_behind_is_not_ready(client: Client, probe: Callable[[], None], monkeypatch: Any) -> None:
    probe()
    monkeypatch.setattr(health, "_list_migrations", lambda: {("keys", "0099_to_come"), ("keys", "0001_initial")})
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.content == b"the schema is behind: 1 migrations are pending, the first is keys.0099_to_come\n"


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
@pytest.mark.parametrize(("hours", "message"), [(1, b"ready\n"), (3, b"ready\nmaintain has not run for two hours\n")])
def test_a_late_maintain_is_named(client: Client, probe: Callable[[], None], hours: int, message: bytes) -> None:
    probe()
    with connections["maintenance"].cursor() as cursor:
        body = f"json_build_object('at', now() - interval '{hours} hours', 'findings', '[]'::json)::text"
        conflict = "ON CONFLICT (one) DO UPDATE SET body = excluded.body"
        cursor.execute(f"INSERT INTO audit_verification (body, key_id, mac) VALUES ({body}, 1, '') {conflict}")
    try:
        assert client.get("/health/ready").content == message
    finally:
        with connections["maintenance"].cursor() as cursor:
            cursor.execute("DELETE FROM audit_verification")


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_is_not_ready(client: Client, probe: Callable[[], None]) -> None:
    probe()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            assert client.get("/health/ready").content == b"the database is read-only\n"
        finally:
            cursor.execute("RESET default_transaction_read_only")


@pytest.mark.django_db(transaction=True)
def test_a_disk_without_room_is_not_ready(client: Client, probe: Callable[[], None]) -> None:
    """The probe writes a file of the database's; what PostgreSQL says when it cannot is given to the one who asks."""
    probe()

    def full(execute: Any, sql: str, *rest: Any) -> Any:
        if sql == WRITE_PROBE:
            raise OperationalError("could not write to file: No space left on device")
        return execute(sql, *rest)

    with connection.cursor() as cursor:
        cursor.execute("SET work_mem = '64kB'")
        cursor.execute("EXPLAIN (ANALYZE, COSTS off) " + WRITE_PROBE)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET work_mem")
    assert "Sort Method: external merge  Disk:" in plan
    with connection.execute_wrapper(full):
        answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert b"No space left on device" in answer.content


def test_many_who_ask_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.health.PROBE_INTERVAL_SECONDS", 60.0)
    looks: list[PortalReadiness] = []
    may_end = threading.Event()

    def look_slowly() -> PortalReadiness:
        looks.append(PortalReadiness())
        may_end.wait()
        return looks[-1]

    shared = CachedProbe(look_slowly)
    threads = [threading.Thread(target=shared.get) for _ in range(40)]
    for thread in threads:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
    may_end.clear()
    shared._valid_until = 0.0
    slow = threading.Thread(target=shared.get)
    slow.start()
    wait_until(lambda: len(looks) == 2, interval=0.001)
    # While one looks again, the others do not wait for it.
    answers: list[PortalReadiness] = []
    beside = threading.Thread(target=lambda: answers.append(shared.get()))
    beside.start()
    beside.join(20)
    seen = list(answers)
    may_end.set()
    slow.join()
    assert seen == looks[:1]


@pytest.mark.parametrize(
    ("path", "length", "size"),
    [
        ("/login/", 70_000, "64 KiB"),
        ("/keys/new/", 4_000_000, "3584 KiB"),
        ("/find/", 10_000_000, "9 MiB"),
        ("/login/", -1, "64 KiB"),
    ],
)
def test_a_body_that_is_too_long_is_refused_unread(client: Client, path: str, length: int, size: str) -> None:
    answer = client.post(path, b"", content_type="text/plain", headers={"content-length": str(length)})
    assert (answer.status_code, answer.content) == (
        413,
        f"Content Too Large: at most {size} can be sent here.\n".encode(),
    )
