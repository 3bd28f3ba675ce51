"""Live says that the process answers; ready says that the database does, and which months have no partition yet."""

from __future__ import annotations

import asyncio
import json

import pytest

from audit.calls import ensure_partitions
from tests.gateways import Answer, Asker, gateway


def ask(port: int, path: str) -> Answer:
    async def get() -> Answer:
        async with Asker(port) as asker:
            return await asker.get(path)

    return asyncio.run(get())


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_a_gateway_with_its_database_is_live_and_ready():
    ensure_partitions()
    with gateway() as running:
        live, ready, other = (ask(running.port, path) for path in ("/health/live", "/health/ready", "/health/"))
    assert (live.status, json.loads(live.body)) == (200, {"status": "live"})
    assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready", "missing_partitions": []})
    assert other.status == 404
    assert live.headers["cache-control"] == "no-store"
