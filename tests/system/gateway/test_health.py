"""Live says that the process answers; ready, that a call could be answered: from one probe a second, whoever asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from audit.calls.partitions import ensure_partitions
from audit.models import Call
from gateway import readiness
from gateway.libpq.database import connect
from gateway.readiness import ReadinessProbe, ReadinessState
from tests.gateways import Answer, Asker, conninfo, gateway

NOBODY = "host=127.0.0.1 port=9 dbname=none"


def ask(port: int, path: str) -> Answer:
    async def get() -> Answer:
        async with Asker(port) as asker:
            return await asker.get(path)

    return asyncio.run(get())


def probe(*, to: str = "", replica: str = "", **needed: Any) -> ReadinessState:
    async def get_state() -> ReadinessState:
        readiness_probe = ReadinessProbe(
            lambda: connect(to or conninfo()),
            connect_replica=(lambda: connect(replica)) if replica else None,
            **needed,
        )
        state: asyncio.Future[ReadinessState] = asyncio.get_running_loop().create_future()
        readiness_probe.get_state(state.set_result)
        return await state

    return asyncio.run(get_state())


def owner(statement: str) -> None:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement)


def verified(at: str, findings: str = "[]") -> None:
    """Set when the trail was last verified; who signs that is not the gateway's concern."""
    body = f"json_build_object('at', {at}, 'findings', '{findings}'::json)"
    owner(f"INSERT INTO audit_verification (body, key_id, mac) VALUES ({body}, 1, '') ON CONFLICT (one) DO NOTHING")
    owner(f"UPDATE audit_verification SET body = {body}")


@pytest.fixture
def database(transactional_db: None) -> Iterator[None]:
    ensure_partitions()
    verified("now()")
    yield
    owner("DELETE FROM audit_verification")


pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


def test_a_gateway_with_its_database_is_live_and_ready(database: None):
    with gateway() as running:
        live, ready, other = (ask(running.port, path) for path in ("/health/live", "/health/ready", "/health/"))
    assert (live.status, json.loads(live.body)) == (200, {"status": "live"})
    content = json.loads(ready.body)
    assert content["maintain"].pop("last").endswith("Z")
    assert (ready.status, content) == (
        200,
        {"status": "ready", "missing_partitions": [], "replica": "none", "maintain": {"late": False}},
    )
    assert other.status == 404
    assert live.headers["cache-control"] == "no-store"


def test_what_could_not_be_answered_is_not_ready(database: None):
    rows = Call.objects.count()
    assert probe(to=NOBODY).cause == readiness.DATABASE_AWAY
    state = probe(migrations=["keys.0001_initial", "keys.9999_tomorrow"])
    assert (state.cause, state.detail, state.response.status) == (readiness.SCHEMA_BEHIND, "keys.9999_tomorrow", 503)
    owner("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on")
    try:
        assert probe(to=conninfo("maintenance")).cause == readiness.READ_ONLY
    finally:
        owner("SET default_transaction_read_only = off; ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
    owner("ALTER TABLE audit_call ADD CONSTRAINT no_room CHECK (decision = 'full') NOT VALID")
    try:
        state = probe()
        assert (state.cause, state.detail, state.response.status) == (readiness.NOT_WRITABLE, "CheckViolation", 503)
    finally:
        owner("ALTER TABLE audit_call DROP CONSTRAINT no_room")
    owner("ALTER TABLE audit_verification RENAME TO audit_verification_aside")
    try:
        assert probe().cause == readiness.SCHEMA_BEHIND
    finally:
        owner("ALTER TABLE audit_verification_aside RENAME TO audit_verification")
    assert probe(migrations=["keys.0001_initial"]).cause == ""
    assert Call.objects.count() == rows


def test_what_needs_care_is_named_and_stays_ready(database: None):
    assert probe(replica=conninfo()).replica_up is True
    verified("now() - interval '121 minutes'")
    state = probe(replica=NOBODY)
    content = json.loads(state.response.body)
    assert (state.response.status, content["status"]) == (200, "ready")
    assert (content["replica"], content["maintain"]["late"]) == ("away", True)
    verified("now() - interval '119 minutes'", '[{"text": "event 7 is missing"}]')
    assert (probe().maintain_late, probe().findings) == (False, 1)
    owner("UPDATE audit_verification SET body = 'nothing'")
    assert (probe().cause, probe().maintain_late, probe().findings) == ("", True, 1)


class Slow:
    """Connections that take a moment, never come, and are counted."""

    def __init__(self) -> None:
        self.made, self.open, self.most = 0, 0, 0

    async def __call__(self) -> Any:
        self.made, self.open = self.made + 1, self.open + 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0.02)
        self.open -= 1
        raise OSError("away")


def test_a_thousand_questions_are_one_probe_a_second(monkeypatch: pytest.MonkeyPatch):
    slow = Slow()
    states: list[ReadinessState] = []
    now = [100.0]
    monkeypatch.setattr(readiness, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def flood() -> None:
        readiness_probe = ReadinessProbe(slow)
        for now[0] in (100.0, 100.9, 101.1):
            for _ in range(1000):
                readiness_probe.get_state(states.append)
            await asyncio.sleep(0.1)
            readiness_probe.get_state(states.append)

    asyncio.run(flood())
    assert (slow.made, slow.most) == (2, 1)
    assert len(states) == 3003
    assert {state.cause for state in states} == {readiness.DATABASE_AWAY}
