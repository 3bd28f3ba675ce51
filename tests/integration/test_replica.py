"""With REPLICA_DATABASE_URL the pages and exports of the logs read the replica, and nothing else does."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client

from accounts.models import Account, User
from audit.models import Event
from audit.trail.record import record
from config.embedded.backend.parameters import build_conninfo
from core.permissions import Role
from core.replica import is_replica_unavailable
from tests.databases import migrated_database
from tests.factories.accounts import ADDRESS, a_user, acting, an_account
from tests.factories.calls import a_call, more_calls
from tests.factories.keys import a_billing_key
from tests.trail import get_event_number

START = "2026-01-01T00:00:00Z~" + "0" * 32
LOGS = ("audit_call", "audit_rollup")
TRAIL = ("audit_event",)


class Heard:
    """What was asked of one connection."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements.append(sql)
        return execute(sql, params, many, context)

    def of(self, tables: tuple[str, ...]) -> list[str]:
        return [sql for sql in self.statements if any(table in sql for table in tables)]

    @property
    def of_logs(self) -> list[str]:
        return self.of(LOGS)


@pytest.fixture(scope="module", autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that share a database may not connect under a name of their own."""
    with django_db_blocker.unblock(), migrated_database("replica"):  # type: ignore[attr-defined]
        yield


@pytest.fixture
def replica(own_database: None) -> Iterator[Heard]:
    """The same database under another name, on connections that cannot write."""
    known = copy.deepcopy(connections["default"].settings_dict)
    options = known["OPTIONS"].get("options", "") + " -c default_transaction_read_only=on"
    known["OPTIONS"] |= {"application_name": "keyward-replica", "options": options.strip()}
    settings.DATABASES["replica"] = known
    heard = Heard()
    try:
        with connections["replica"].execute_wrapper(heard):
            yield heard
    finally:
        connections["replica"].close()
        del connections["replica"], settings.DATABASES["replica"]


@pytest.fixture
def primary(own_database: None) -> Iterator[Heard]:
    heard = Heard()
    with connections["default"].execute_wrapper(heard):
        yield heard


@pytest.fixture(scope="module")
def acme(own_database: None) -> Account:
    acme = an_account()
    more_calls(a_call(acme), 30_000, user_agent="x" * 400)
    return acme


@pytest.fixture(scope="module")
def arthur(acme: Account) -> User:
    return a_user(acme, "Arthur", Role.AUDITOR)


@pytest.fixture
def client(arthur: User) -> Client:
    """An auditor's: what they read is an event."""
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(arthur)
    return client


@pytest.mark.parametrize("path", ["?api=lynx", "?path=cust", "chart/?api=none", "tail/?method=get&newest=" + START])
def test_a_page_of_the_log_reads_the_replica(
    acme: Account, client: Client, replica: Heard, primary: Heard, path: str
) -> None:
    read = Event.objects.filter(name="log.read", account_id=acme.pk)
    before = read.count()
    assert client.get(f"/logs/{path}").status_code == 200
    assert replica.of_logs
    assert not primary.of_logs
    # That the auditor read it stands in the trail, on the primary.
    assert read.count() == before + 1
    assert not [sql for sql in replica.statements if not sql.lstrip().startswith("SELECT")]


@pytest.mark.parametrize("path", ["/audit/", "/audit/?event=user.signed_out", "/audit/{number}/"])
def test_a_page_of_the_trail_reads_the_replica(acme: Account, replica: Heard, primary: Heard, path: str) -> None:
    alice = a_user(acme, f"Alice {path}", Role.ADMINISTRATOR)
    with transaction.atomic():
        number = get_event_number(record("user.signed_out", by=acting(alice), account_id=acme.pk))
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(alice)
    primary.statements.clear()
    assert acting(alice).label in client.get(path.format(number=number)).content.decode()
    assert replica.of(TRAIL)
    assert not primary.of(TRAIL)


def test_a_keys_chart_reads_the_replica(acme: Account, client: Client, replica: Heard, primary: Heard) -> None:
    key = a_billing_key(a_user(acme, "Alice", Role.ADMINISTRATOR)).key
    assert "Calls in the last 30 days" in client.get(f"/keys/{key.public_id}/").content.decode()
    assert len(replica.of_logs) == 2
    assert not primary.of_logs


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_an_export_reads_the_replica_and_is_told_of_on_the_primary(
    acme: Account, client: Client, replica: Heard, primary: Heard, format: str
) -> None:
    stream = iter(client.post("/logs/export/", {"format": format}))
    next(stream)
    next(stream)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT application_name FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'")
        assert cursor.fetchall() == [("keyward-replica",)]
    assert sum(block.count(b"\n") for block in stream) > 20_000
    assert not primary.of_logs
    recorded = Event.objects.using("default").filter(account_id=acme.pk, name__startswith="export.").order_by("seq")
    assert list(recorded.values_list("name", flat=True))[-2:] == ["export.started", "export.finished"]


def test_decisions_are_made_on_the_primary(replica: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATABASES["replica"]["NAME"] = "elsewhere"
    monkeypatch.setattr("gateway.app.Gateway", dict)
    requested = runpy.run_module("config.serve.gateway")["application"]["conninfo"]
    assert requested == build_conninfo("default")
    assert requested != build_conninfo("replica")


AWAY = "The log replica is unavailable."


@pytest.mark.parametrize("path", ["/logs/", "/audit/", "/"])
def test_without_its_replica_a_page_reads_the_primary_and_says_so(
    acme: Account, client: Client, replica: Heard, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert AWAY not in client.get(path).content.decode()
    monkeypatch.setattr("core.replica._unavailable_until", 0.0)
    connections["replica"].close()
    connections["replica"].settings_dict["HOST"] = "/nowhere"
    page = client.get(path)
    assert (page.status_code, AWAY in client.get(path).content.decode()) == (200, True)
    # Nobody waits for it again in the next seconds; then it is asked, and read once it is back.
    assert is_replica_unavailable()
    connections["replica"].settings_dict["HOST"] = connections["default"].settings_dict["HOST"]
    monkeypatch.setattr("core.replica._unavailable_until", 0.0)
    replica.statements.clear()
    assert AWAY not in client.get(path).content.decode()
    assert replica.of(LOGS + TRAIL)


def test_an_export_without_its_replica_reads_the_primary(
    acme: Account, client: Client, replica: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.replica._unavailable_until", 0.0)
    connections["replica"].close()
    connections["replica"].settings_dict["HOST"] = "/nowhere"
    stream = iter(client.post("/logs/export/", {"format": "csv"}))
    assert sum(block.count(b"\n") for block in stream) > 20_000
    monkeypatch.setattr("core.replica._unavailable_until", 0.0)
