"""`/metrics`, on a port of its own: what the gateway counted, and what the database says at this moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from gateway import health
from gateway.connection import Connect
from gateway.messages import Reply, Request, Response, line
from gateway.metrics import Counts

log = structlog.get_logger("keyward.gateway")

_PLAIN = line(b"content-type", b"text/plain; charset=utf-8")


class Scrape:
    """The application of the metrics' port."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: Request, reply: Reply) -> None:
        if request.target.partition(b"?")[0] != b"/metrics":
            reply(Response(404, _PLAIN, b"The metrics are at /metrics.\n"))
            return
        task = asyncio.create_task(self._answer(reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reply: Reply) -> None:
        registry = CollectorRegistry()
        registry.register(Counts())
        registry.register(Database(await health.missing_partitions(self._connect)))
        reply(Response(200, line(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode()), generate_latest(registry)))


class Database:
    def __init__(self, missing: list[str] | Exception) -> None:
        self._missing = missing

    def collect(self) -> Iterable[Metric]:
        up = not isinstance(self._missing, Exception)
        yield GaugeMetricFamily("keyward_database_up", "Whether the database answers", value=up)
        if not isinstance(self._missing, Exception):
            yield GaugeMetricFamily(
                "keyward_missing_partitions",
                "Months, of this one and the next, whose rows go to the DEFAULT partition",
                value=len(self._missing),
            )
