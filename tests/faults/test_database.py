"""The database stopped, killed, frozen, read-only, full, or a month short: refused, never open, and well again without
anybody's help."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.db import connections

from audit.calls.partitions import ensure_partitions
from audit.models import Call
from config.embedded.backend.base import start_embedded_database
from config.embedded.launch import get_home
from config.embedded.server import Cluster, list_server_processes
from gateway.http.http_limits import MAX_PIPELINED_REQUESTS
from gateway.limits import MAX_QUEUE
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, more_calls
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import Answer, Asker, RunningGateway, gateway
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "maintenance"]),
    pytest.mark.skipif(not settings.EMBEDDED_DATABASE, reason="somebody else's server: it cannot be stopped or frozen"),
    pytest.mark.quality(7),
]
# CALL_TIMEOUT_SECONDS, and what a busy machine adds.
MAX_SECONDS = 5.0


@pytest.fixture
def key() -> KeyAndToken:
    ensure_partitions()
    account = an_account()
    return a_key(account, a_user(account, "olga"), an_api())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The tests' server; running again afterwards, whatever was done to it."""
    found = start_embedded_database()
    yield found
    for process in processes(found):
        os.kill(process, signal.SIGCONT)
    found.join()


def processes(cluster: Cluster) -> list[int]:
    return list_server_processes(get_home(cluster.folder) / "data")


def forget_connections() -> None:
    for connection in connections.all():
        connection.close()


def owner(statement: str, *parameters: Any) -> list[tuple]:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def ask(is_running: RunningGateway, key: KeyAndToken, calls: int = 5, *, when: str = "") -> list[tuple[int, str]]:
    """Return what each of some calls at once is answered; none may take for ever. `when` is part of the failure."""

    async def one() -> Answer:
        async with Asker(is_running.port) as asker:
            return await asker.verify(key.token)

    async def every() -> list[Answer]:
        tasks = [asyncio.create_task(one()) for _ in range(calls)]
        _, unanswered = await asyncio.wait(tasks, timeout=MAX_SECONDS)
        if unanswered:
            pytest.fail(
                f"{len(unanswered)} of {calls} calls were not answered within {MAX_SECONDS} s {when}; the gateway's "
                f"log and what its tasks wait for:\n{is_running.dump_tasks()}"
            )
        return [task.result() for task in tasks]

    return [(answer.status, answer.refusal) for answer in asyncio.run(every())]


REFUSED, ALLOWED = (403, "unavailable"), (200, "")


def recovers(is_running: RunningGateway, key: KeyAndToken, *, is_logged: bool = True) -> float:
    """Seconds until the gateway allows again; it must within ten. What it refused before is counted, and logged where
    there is room."""
    began = time.monotonic()
    wait_until(lambda: ask(is_running, key, 1) == [ALLOWED], seconds=10, interval=0.02)
    seconds = time.monotonic() - began
    assert count_refused(is_running) > 0
    assert "batch.refused" in is_running.log.read_text() or not (is_logged and is_running.logs_to_file)
    return seconds


def count_refused(is_running: RunningGateway) -> float:
    """Return how many calls the metrics say were refused as unavailable."""
    with urlopen(f"http://127.0.0.1:{is_running.metrics_port}/metrics", timeout=30) as response:
        text = response.read().decode()
    found = re.search(r'^keyward_gateway_decisions_total\{[^}]*reason="unavailable"[^}]*\} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def allowed_rows(key: KeyAndToken) -> int:
    return Call.objects.filter(key_id=key.key.public_id, decision="allowed").count()


def status(is_running: RunningGateway, path: str) -> int:
    async def get() -> int:
        async with Asker(is_running.port) as asker:
            return (await asker.get(path)).status

    return asyncio.run(get())


def wait_for_status(is_running: RunningGateway, path: str, wanted: int) -> None:
    wait_until(lambda: status(is_running, path) == wanted, seconds=10, describe=lambda: f"{path} answers {wanted}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.fault(5)
def test_a_database_that_ends_refuses_all_until_it_is_back(
    number: signal.Signals, key: KeyAndToken, cluster: Cluster, figure: Callable[[str], None]
) -> None:
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        forget_connections()
        end(cluster, number)
        assert ask(is_running, key) == [REFUSED] * 5
        # A probe's answer is shared for a second.
        wait_for_status(is_running, "/health/ready", 503)
        assert status(is_running, "/health/live") == 200
        cluster.join()
        seconds = recovers(is_running, key)
        assert ask(is_running, key) == [ALLOWED] * 5
    assert allowed_rows(key) == 11
    figure(f"database {number.name}: refused, allowed again {seconds:.1f} s after its start")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_database_that_restarts_in_a_quiet_moment_costs_no_call(
    number: signal.Signals, key: KeyAndToken, cluster: Cluster
) -> None:
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        forget_connections()
        end(cluster, number)
        cluster.join()
        assert ask(is_running, key) == [ALLOWED] * 5
    assert allowed_rows(key) == 10


def end(cluster: Cluster, number: signal.Signals) -> None:
    os.kill(postmaster(cluster), number)
    wait_for_end(cluster)


def wait_for_end(cluster: Cluster) -> None:
    wait_until(lambda: not processes(cluster), interval=0.01)


def postmaster(cluster: Cluster) -> int:
    return int((get_home(cluster.folder) / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


@pytest.mark.fault(6)
def test_a_database_that_restarts_under_load_costs_no_row(
    key: KeyAndToken, cluster: Cluster, figure: Callable[[str], None]
) -> None:
    allowed, refused, slowest = 0, 0, 0.0
    with gateway() as is_running:
        ask(is_running, key)
        for restart in range(3):
            forget_connections()
            os.kill(postmaster(cluster), signal.SIGINT)
            for turn in range(10):
                if turn == 5:
                    wait_for_end(cluster)
                    cluster.join()
                when = f"in turn {turn} of restart {restart}"
                answers = ask(is_running, key, when=when)
                allowed += answers.count(ALLOWED)
                refused += answers.count(REFUSED)
                assert set(answers) <= {ALLOWED, REFUSED}, f"{when}; the gateway's log:\n{is_running.log.read_text()}"
            slowest = max(slowest, recovers(is_running, key))
            allowed += 1
    assert refused
    assert allowed_rows(key) == allowed + 5
    figure(
        f"3 restarts of the database under load: {allowed} calls allowed, each with its row, {refused} refused,"
        f" allowed again within {slowest:.1f} s"
    )


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    stopped = processes(cluster)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


@pytest.mark.fault(7)
def test_a_frozen_database_refuses_in_time_and_thaws(
    key: KeyAndToken, cluster: Cluster, figure: Callable[[str], None]
) -> None:
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        slowest = 0.0
        with frozen(cluster):
            # The first finds an open connection, the next must make one.
            for _ in range(2):
                began = time.monotonic()
                assert ask(is_running, key) == [REFUSED] * 5
                slowest = max(slowest, time.monotonic() - began)
            assert (status(is_running, "/health/ready"), status(is_running, "/health/live")) == (503, 200)
        seconds = recovers(is_running, key)
    # What was under way when it froze was committed once it thawed: a row without an answer, never the reverse.
    assert allowed_rows(key) >= 6
    figure(f"database frozen: refused within {slowest:.1f} s, allowed again {seconds:.1f} s after")


@pytest.mark.fault(12)
def test_a_flood_on_a_frozen_database_is_refused_in_time(
    key: KeyAndToken, cluster: Cluster, figure: Callable[[str], None]
) -> None:
    connected, each = MAX_QUEUE // MAX_PIPELINED_REQUESTS + 20, MAX_PIPELINED_REQUESTS

    async def flood(is_running: RunningGateway) -> list[float]:
        async def one() -> float:
            reader, writer = await asyncio.open_connection("127.0.0.1", is_running.port)
            request = Asker(is_running.port).question(key.token)
            began = time.monotonic()
            writer.write(request * each)
            for _ in range(each):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 403 "), head
                assert b"x-refusal: unavailable" in head
                await reader.readexactly(len(b'{"code":"unavailable"}'))
            writer.close()
            return time.monotonic() - began

        return await asyncio.gather(*(one() for _ in range(connected)))

    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        with frozen(cluster):
            seconds = asyncio.run(flood(is_running))
        # The calls' own timeout may refuse all of them before their batch fails, which alone is logged.
        recovers(is_running, key, is_logged=False)
    figure(f"{connected * each} calls on a frozen database: all refused within {max(seconds):.1f} s")
    assert max(seconds) < MAX_SECONDS


@pytest.mark.fault(8)
def test_a_read_only_database_refuses_until_it_can_be_written(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    def the_gateway_reconnects() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyward-gateway'"
            )
        connections["default"].close()

    (database,) = owner("SELECT quote_ident(current_database())")[0]
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        owner(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        try:
            the_gateway_reconnects()
            # The first may still find the connection that was cut.
            ask(is_running, key, 1)
            assert ask(is_running, key) == [REFUSED] * 5
            wait_for_status(is_running, "/health/ready", 503)
        finally:
            owner(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        seconds = recovers(is_running, key)
        wait_for_status(is_running, "/health/ready", 200)
    assert allowed_rows(key) == 6
    figure(f"database read-only: refused, not ready, allowed again {seconds:.1f} s after")


@pytest.mark.fault(9)
def test_a_log_that_cannot_grow_refuses_until_it_can(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    """As on a full disk the statement's rows find no place; here because the server's process may not extend a file."""
    partition = f"audit_call_{owner('SELECT to_char(now(), $$YYYY_MM$$)')[0][0]}"
    limit = 16 * 1024 * 1024
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        # Past the limit, in small rows, which leave little room in their pages.
        while owner(f"SELECT pg_relation_size('{partition}')")[0][0] < limit + 8192:
            more_calls(a_call(None), 20_000)
        (backend,) = owner("SELECT pid FROM pg_stat_activity WHERE application_name = 'keyward-gateway'")[0]
        resource.prlimit(backend, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        answers: list[tuple[int, str]] = []
        # A little room there is.
        while REFUSED not in answers and len(answers) < 10_000:
            answers += ask(is_running, key, 100)
        assert set(answers) == {ALLOWED, REFUSED}
        seconds = recovers(is_running, key)
    assert allowed_rows(key) == answers.count(ALLOWED) + 6
    figure(
        f"the log's file cannot grow: {answers.count(ALLOWED)} calls allowed, each with its row,"
        f" {answers.count(REFUSED)} refused, allowed again {seconds:.1f} s after"
    )


def test_a_month_without_its_partition_is_served_and_named(key: KeyAndToken) -> None:
    partition = f"audit_call_{owner('SELECT to_char(now(), $$YYYY_MM$$)')[0][0]}"
    owner(f"ALTER TABLE audit_call DETACH PARTITION {partition}")
    owner(f"DROP TABLE {partition}")

    async def ask_both(is_running: RunningGateway) -> tuple[Answer, Answer]:
        async with Asker(is_running.port) as asker:
            return await asker.verify(key.token), await asker.get("/health/ready")

    with gateway() as is_running:
        answer, ready = asyncio.run(ask_both(is_running))
    assert (answer.status, ready.status) == (200, 200)
    assert partition.encode() in ready.body
    request_id = answer.headers["x-request-id"]
    place = "SELECT tableoid::regclass::text FROM audit_call WHERE request_id = %s"
    assert owner(place, request_id) == [("audit_call_default",)]
    ensure_partitions()
    assert owner(place, request_id) == [(partition,)]
