"""Which core a worker of the gateway stays on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from config.cpu_affinity import bind_to_cores, get_usable_cores
from tests.gateways import RunningGateway, gateway

NO_DATABASE = {"ready": 503, "TEST_CONNINFO": "host=127.0.0.1 port=9 dbname=none"}


@pytest.fixture
def cores() -> Iterator[list[int]]:
    """No more than two, for what is started here."""
    machines = get_usable_cores()
    bind_to_cores(0, machines[:2])
    yield machines[:2]
    bind_to_cores(0, machines)


def taken(running: RunningGateway, until: list[list[int]]) -> list[list[int]]:
    """Return the cores of each worker, as soon as they are those, or after ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        found = sorted(sorted(os.sched_getaffinity(pid)) for pid in running.workers())
        if found == until or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_as_many_workers_as_cores_have_one_each(cores: list[int]) -> None:
    each = [[core] for core in cores]
    with gateway(workers=len(cores), **NO_DATABASE) as running:
        assert taken(running, each) == each
        for _ in range(2):
            before = running.workers()
            os.kill(before[0], signal.SIGKILL)
            while before[0] in running.workers():
                time.sleep(0.01)
            assert taken(running, each) == each
        before = running.workers()
        running.process.send_signal(signal.SIGHUP)
        while set(before) & set(running.workers()):
            time.sleep(0.01)
        assert taken(running, each) == each


def test_any_other_number_of_workers_is_left_to_the_system(cores: list[int]) -> None:
    free = [cores] * (len(cores) + 1)
    with gateway(workers=len(cores) + 1, **NO_DATABASE) as running:
        # One answers; so one has gone by the place where it would be bound.
        assert taken(running, free) == free
