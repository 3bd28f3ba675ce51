"""No answer without its row: workers killed under load, calls that cannot be stored, a database that is not there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.db import connection
from django.db.models import QuerySet

from audit.models import Call
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import Answer, Asker, RunningGateway, gateway
from tests.waiting import wait_in_loop_until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


@pytest.fixture
def key() -> KeyAndToken:
    account = an_account()
    return a_key(account, a_user(account, "olga"), an_api())


def rows(key: KeyAndToken) -> QuerySet[Call]:
    """Return the key's rows; other tests' rows are still there, because nothing may delete them."""
    return Call.objects.filter(key_id=key.key.public_id)


@dataclass
class Load:
    """Clients that ask without pause and come back when their connection dies; what they were told."""

    port: int
    token: str
    allowed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    broken: int = 0
    stopped: bool = False

    async def client(self) -> None:
        while not self.stopped:
            try:
                async with Asker(self.port) as asker:
                    while not self.stopped:
                        answer = await asker.verify(self.token)
                        if answer.status == 200:
                            self.allowed.append(answer.headers["x-request-id"])
                        else:
                            self.refused.append(answer.refusal)
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
                await asyncio.sleep(0.01)

    async def wait_for_allowed(self, more: int) -> None:
        """Wait until so many more calls were allowed."""
        wanted = len(self.allowed) + more
        await wait_in_loop_until(lambda: len(self.allowed) >= wanted, seconds=120)


async def kill_under_load(running: RunningGateway, load: Load, kills: int) -> None:
    clients = [asyncio.create_task(load.client()) for _ in range(16)]
    for _ in range(kills):
        await load.wait_for_allowed(200)
        os.kill(running.workers()[0], signal.SIGKILL)
    await load.wait_for_allowed(200)
    load.stopped = True
    await asyncio.gather(*clients)


@pytest.mark.quality(7)
@pytest.mark.fault(1)
def test_every_allowed_call_has_its_row_when_workers_are_killed(
    key: KeyAndToken, full: bool, figure: Callable[[str], None]
) -> None:
    kills = 50 if full else 20
    with gateway(workers=2) as running:
        load = Load(running.port, key.token)
        asyncio.run(kill_under_load(running, load, kills))
        assert "SIGKILL" in running.log.read_text(), "no line in the log"
    written = {str(row) for row in rows(key).filter(decision="allowed").values_list("request_id", flat=True)}
    without = [request_id for request_id in load.allowed if request_id not in written]
    figure(f"{kills} kill -9 under load, {len(load.allowed)} calls allowed, {len(without)} without a row")
    assert without == []
    assert len(load.allowed) == len(set(load.allowed))
    assert load.broken, "no client noticed a kill: the load did not reach the killed workers"


@pytest.mark.quality(7)
def test_stopping_answers_what_was_taken(key: KeyAndToken) -> None:
    async def stop_under_load(running: RunningGateway, load: Load) -> None:
        clients = [asyncio.create_task(load.client()) for _ in range(16)]
        await load.wait_for_allowed(500)
        running.process.terminate()
        await asyncio.to_thread(running.process.wait, 30)
        load.stopped = True
        await asyncio.gather(*clients)

    with gateway() as running:
        load = Load(running.port, key.token)
        asyncio.run(stop_under_load(running, load))
    assert rows(key).filter(decision="allowed").count() == len(load.allowed)
    assert set(load.refused) <= {"unavailable"}


HOSTILE = {
    "NUL in the path": {"uri": "/customers/%00"},
    "row separator in the query": {"uri": "/customers?a=\x1e\x1fb"},
    "separators in the user agent": {"extra": (("User-Agent", "a\x1eb\x1fc\x7f"),)},
    "bytes that are no UTF-8": {"uri": "/customers?a=\xff\xfe", "extra": (("User-Agent", "\xed\xa0\x80"),)},
    "a path of 9 KB": {"uri": "/" + "a" * 9000},
    "a method that is none": {"method": "GE T"},
    "a host of control characters": {"extra": (("X-Forwarded-Host", "\x1f\x1e\x01"),)},
    "an address that is none": {"address": "1.2.3.4.5"},
    "an address with a scope": {"address": "fe80::1%eth0"},
}


@pytest.mark.quality(1)
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_call_among_a_hundred_refuses_only_itself(hostile: dict[str, str], key: KeyAndToken) -> None:
    async def ask_together(port: int) -> tuple[Answer, list[Answer]]:
        async def ask(**what: str) -> Answer:
            async with Asker(port) as asker:
                return await asker.verify(key.token, **what)

        answers = await asyncio.gather(ask(**hostile), *(ask() for _ in range(99)))
        return answers[0], answers[1:]

    before = Call.objects.count()
    with gateway() as running:
        answer, others = asyncio.run(ask_together(running.port))
    assert {other.status for other in others} == {200}
    # The server's own 400 is a refusal too, before there is a call to log.
    assert (answer.status, answer.refusal) in ((200, ""), (400, ""), (403, "unreadable_request"))
    assert Call.objects.count() - before == (99 if answer.status == 400 else 100)


def test_a_lost_connection_refuses_at_most_one_batch_and_comes_back(key: KeyAndToken) -> None:
    def cut_connections() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyward-gateway'"
            )
        connection.close()

    async def ask(port: int) -> list[Answer]:
        async with Asker(port) as asker:
            answers = [await asker.verify(key.token)]
            await asyncio.to_thread(cut_connections)
            return [*answers, await asker.verify(key.token), await asker.verify(key.token)]

    with gateway() as running:
        before, during, after = asyncio.run(ask(running.port))
    assert (before.status, after.status) == (200, 200)
    assert (during.status, during.refusal) in ((200, ""), (403, "unavailable"))


def test_without_a_database_every_call_is_refused(key: KeyAndToken) -> None:
    async def ask(port: int) -> list[Answer]:
        async with Asker(port) as asker:
            return [await asker.verify(key.token), await asker.get("/health/ready"), await asker.get("/health/live")]

    with gateway(ready=503, TEST_CONNINFO="host=127.0.0.1 port=9 dbname=none") as running:
        call, ready, live = asyncio.run(ask(running.port))
    assert (call.status, call.refusal) == (403, "unavailable")
    assert (ready.status, live.status) == (503, 200)


def test_bad_callers_get_a_clear_answer_and_no_row(key: KeyAndToken) -> None:
    async def ask(port: int) -> list[Answer]:
        async with Asker(port, secret="wrong") as stranger, Asker(port) as proxy:
            return [await stranger.verify(key.token), await proxy.verify(key.token, api="nothing-like-it")]

    before = Call.objects.count()
    with gateway() as running:
        stranger, unknown = asyncio.run(ask(running.port))
    assert (stranger.status, stranger.refusal, stranger.body) == (403, "gateway_secret", b'{"code":"gateway_secret"}')
    assert (unknown.status, unknown.refusal) == (403, "unknown_api")
    assert Call.objects.count() == before
