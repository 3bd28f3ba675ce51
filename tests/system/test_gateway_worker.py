"""Which core a worker of the gateway stays on, and that one which can answer no call gives its place to another."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from config.cpu_affinity import bind_to_cores, get_usable_cores
from tests.gateways import Asker, RunningGateway, gateway
from tests.waiting import happens, wait_until

NO_DATABASE: dict[str, Any] = {"ready": 503, "TEST_CONNINFO": "host=127.0.0.1 port=9 dbname=none"}


@pytest.fixture
def cores() -> Iterator[list[int]]:
    """No more than two, for what is started here."""
    machines = get_usable_cores()
    bind_to_cores(0, machines[:2])
    yield machines[:2]
    bind_to_cores(0, machines)


def taken(running: RunningGateway, until: list[list[int]]) -> list[list[int]]:
    """Return the cores of each worker, as soon as they are those, or after half a minute."""

    def find() -> list[list[int]]:
        return sorted(sorted(os.sched_getaffinity(pid)) for pid in running.workers())

    happens(lambda: find() == until, interval=0.02)
    return find()


def test_as_many_workers_as_cores_have_one_each(cores: list[int]) -> None:
    each = [[core] for core in cores]
    with gateway(workers=len(cores), **NO_DATABASE) as running:
        assert taken(running, each) == each
        for _ in range(2):
            before = running.workers()
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda gone=before[0]: gone not in running.workers(), interval=0.01)  # type: ignore[misc]
            assert taken(running, each) == each
        before = running.workers()
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not set(before) & set(running.workers()), interval=0.01)
        assert taken(running, each) == each


def test_any_other_number_of_workers_is_left_to_the_system(cores: list[int]) -> None:
    free = [cores] * (len(cores) + 1)
    with gateway(workers=len(cores) + 1, **NO_DATABASE) as running:
        # One answers; so one has gone by the place where it would be bound.
        assert taken(running, free) == free


@pytest.mark.parametrize("fault", ["group_commit_ends", "group_commit_hangs"])
def test_a_worker_that_can_answer_no_call_refuses_it_and_is_replaced(fault: str) -> None:
    async def ask(running: RunningGateway) -> tuple[int, str]:
        async with Asker(running.port) as asker:
            answer = await asyncio.wait_for(asker.verify("kw_any"), 30)
            return answer.status, answer.refusal

    with gateway(TEST_PLANT=fault, **NO_DATABASE) as running:
        before = running.workers()
        assert asyncio.run(ask(running)) == (403, "unavailable")
        wait_until(lambda: running.workers() and not set(before) & set(running.workers()), seconds=60)
        assert "gateway.given_up" in running.log.read_text()
