"""The database answers, but with an error, late, or not this one: refused in time, and well again by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from audit.calls.partitions import ensure_partitions
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.faults.test_database import ALLOWED, REFUSED, allowed_rows, ask, forget_connections, owner, recovers
from tests.gateways import conninfo, gateway

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "maintenance"]),
    pytest.mark.skipif(not settings.EMBEDDED_DATABASE, reason="somebody else's server: it is not to be disturbed"),
    pytest.mark.quality(7),
]
SLEEP = "PERFORM pg_sleep(10);"
SERIALIZATION = "RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';"


@pytest.fixture
def key() -> KeyAndToken:
    ensure_partitions()
    account = an_account()
    return a_key(account, a_user(account, "olga"), an_api())


@contextmanager
def trigger(table: str, body: str) -> Iterator[None]:
    """Within, each INSERT into the table does this first."""
    owner(f"CREATE FUNCTION a_fault() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN NULL; END$$")
    owner(f"CREATE TRIGGER a_fault BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION a_fault()")
    try:
        yield
    finally:
        owner("DROP FUNCTION a_fault CASCADE")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param("slow statement", SLEEP, marks=pytest.mark.fault(13)),
        pytest.param("serialization failure", SERIALIZATION, marks=pytest.mark.fault(16)),
    ],
)
def test_a_statement_that_fails_refuses_its_calls(
    name: str, body: str, key: KeyAndToken, figure: Callable[[str], None]
) -> None:
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        with trigger("audit_call", body):
            began = time.monotonic()
            assert ask(is_running, key) == [REFUSED] * 5
            slowest = time.monotonic() - began
        seconds = recovers(is_running, key)
    assert allowed_rows(key) == 6
    figure(f"{name}: refused within {slowest:.1f} s, allowed again {seconds:.1f} s after")


@pytest.mark.fault(14)
def test_a_locked_table_of_keys_refuses_what_must_be_loaded(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    with gateway() as is_running, psycopg.connect(conninfo("maintenance")) as other:
        other.execute("LOCK TABLE keys_key IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert ask(is_running, key) == [REFUSED] * 5
        slowest = time.monotonic() - began
        other.rollback()
        seconds = recovers(is_running, key)
    # What was under way is decided once the lock is gone: a row without an answer, never the reverse.
    assert allowed_rows(key) >= 1
    figure(f"lock on the keys: refused within {slowest:.1f} s, allowed again {seconds:.1f} s after")


@pytest.mark.fault(11)
def test_too_many_connections_refuse_until_there_is_one(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    (database,) = owner("SELECT quote_ident(current_database())")[0]
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        owner(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyward-gateway'"
                )
            connections["default"].close()
            # The first may still find the connection that was cut.
            ask(is_running, key, 1)
            assert ask(is_running, key) == [REFUSED] * 5
        finally:
            owner(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        seconds = recovers(is_running, key)
    assert allowed_rows(key) == 6
    figure(f"no connection left: refused, allowed again {seconds:.1f} s after there was one")


@pytest.mark.fault(10)
def test_a_log_file_that_takes_nothing_stops_no_call(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    with gateway(log_to="/dev/full") as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        with trigger("audit_call", SERIALIZATION):
            # Each refusal is a line that finds no room.
            assert ask(is_running, key) == [REFUSED] * 5
        seconds = recovers(is_running, key)
        assert ask(is_running, key) == [ALLOWED] * 5
    forget_connections()
    assert allowed_rows(key) == 11
    figure(f"log file full: calls are answered, after a refusal allowed again in {seconds:.1f} s")
