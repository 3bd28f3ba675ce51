"""What Prometheus would read: all processes' counts together, whichever process answers, and nothing about anybody."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audit.calls.partitions import ensure_partitions
from gateway.metrics import GatewayCollector
from gateway.metrics_endpoint import DatabaseCollector
from gateway.readiness import ReadinessState
from keys.models import Key
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import ROOT, Answer, Asker, RunningGateway, gateway
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


@pytest.fixture
def key() -> KeyAndToken:
    ensure_partitions()
    account = an_account()
    return a_key(account, a_user(account, "olga"), an_api())


def scrape(running: RunningGateway) -> tuple[str, dict[tuple[str, ...], float]]:
    connection = HTTPConnection("127.0.0.1", running.metrics_port, timeout=30)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert (response.status, response.getheader("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    named = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
    assert len(named) == len(samples)
    return text, named


def ask(port: int, calls: int, token: str | None, **what: str) -> list[Answer]:
    """Each over a connection of its own, so that several processes are asked."""

    async def one() -> Answer:
        async with Asker(port, **({"secret": what["secret"]} if "secret" in what else {})) as asker:
            return await asker.verify(token, **({"api": what["api"]} if "api" in what else {}))

    async def every() -> list[Answer]:
        return [await one() for _ in range(calls)]

    return asyncio.run(every())


def decisions(samples: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {
        sample[1:]: value
        for sample, value in samples.items()
        if sample[0] == "keyward_gateway_decisions_total" and value
    }


def test_decisions_times_and_batches_of_all_processes(key: KeyAndToken):
    with gateway(workers=3) as running:
        wait_until(lambda: scrape(running)[1]["keyward_gateway_processes",] == 3, interval=0.01)
        ask(running.port, 20, key.token)
        ask(running.port, 3, None)
        ask(running.port, 2, key.token, api="nothing-like-it")
        ask(running.port, 1, key.token, secret="wrong")
        text, samples = scrape(running)
        again = [scrape(running)[1] for _ in range(5)]
    assert decisions(samples) == {
        ("allowed", ""): 20,
        ("denied", "invalid_credentials"): 3,
        ("denied", "unknown_api"): 2,
        ("denied", "gateway_secret"): 1,
    }
    assert all(decisions(each) == decisions(samples) for each in again)
    assert samples["keyward_gateway_verify_seconds_count",] == 26
    assert samples["keyward_gateway_verify_seconds_bucket", "+Inf"] == 26
    assert 0 < samples["keyward_gateway_verify_seconds_sum",] < 26
    assert samples["keyward_gateway_batch_calls_sum",] == 25
    assert samples["keyward_gateway_batch_calls_bucket", "1.0"] == 25
    assert samples["keyward_gateway_processes",] == 3
    assert 1 <= samples["keyward_gateway_snapshot_entries",] <= 3
    assert samples["keyward_gateway_epoch_reloads_total",] >= 1
    assert samples["keyward_gateway_queue_calls",] == 0
    assert samples["keyward_database_up",] == 1
    assert samples["keyward_missing_partitions",] == 0
    for private in (key.token, key.key.public_id, "acme", "127.0.0.1", "ledger"):
        assert private not in text


def test_changes_are_counted_as_guard_misses(key: KeyAndToken):
    with gateway() as running:
        ask(running.port, 1, key.token)
        before = scrape(running)[1]
        Key.objects.filter(pk=key.key.pk).update(name="Shop again")
        ask(running.port, 1, key.token)
        after = scrape(running)[1]
    for name in ("keyward_gateway_guard_misses_total", "keyward_gateway_epoch_reloads_total"):
        assert after[name,] - before[name,] == 1


def test_counts_outlive_the_process_that_counted(key: KeyAndToken):
    with gateway() as running:
        ask(running.port, 5, key.token)
        for calls in (10, 15):
            (worker,) = running.workers()
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda worker=worker: {*running.workers()} - {worker}, interval=0.01)  # type: ignore[misc]
            ask(running.port, 5, key.token)
            _, samples = scrape(running)
            assert decisions(samples) == {("allowed", ""): calls}
            assert samples["keyward_gateway_processes",] == 1
            assert samples["keyward_gateway_snapshot_entries",] == 1


def test_without_a_database_the_metrics_say_so(key: KeyAndToken):
    with gateway(ready=503, TEST_CONNINFO="host=127.0.0.1 port=9 dbname=none") as running:
        ask(running.port, 2, key.token)
        _, samples = scrape(running)
    assert decisions(samples) == {("denied", "unavailable"): 2}
    assert samples["keyward_database_up",] == 0
    assert ("keyward_missing_partitions",) not in samples


def test_the_metrics_port_has_nothing_else_and_the_gateway_no_metrics(key: KeyAndToken):
    async def get(port: int, path: str) -> int:
        async with Asker(port) as asker:
            return (await asker.get(path)).status

    with gateway() as running:
        assert asyncio.run(get(running.metrics_port, "/v1/verify/ledger")) == 404
        assert asyncio.run(get(running.metrics_port, "/health/ready")) == 404
        assert asyncio.run(get(running.port, "/metrics")) == 404


def test_every_metric_is_explained():
    content = (ROOT / "docs" / "metrics.md").read_text().split("\n## The portal\n")[0]
    explained = set(re.findall(r"^\| `(keyward_\w+)", content, re.MULTILINE))
    counted = {
        metric.name
        for metric in [*GatewayCollector().collect(), *DatabaseCollector(ReadinessState(replica_up=True)).collect()]
    }
    # prometheus-client leaves the ending of a counter to the format.
    assert {name.removesuffix("_total") for name in explained} == counted
