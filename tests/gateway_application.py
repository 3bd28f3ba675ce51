"""The gateway over a test's database. `TEST_PLANT` plants a fault that a test must notice."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from typing import Any
from uuid import UUID

from gateway.app import Gateway

if planted := os.environ.get("TEST_PLANT"):
    from tests.faults import planted_faults

    getattr(planted_faults, planted)()


def ring(name: str) -> dict[int, bytes]:
    return {int(number): base64.b64decode(key) for number, key in json.loads(os.environ[name]).items()}


def end_overlap(old: UUID, address: str, request_id: str) -> None:
    """As config/serve/gateway.py has it; few tests need the models, and each starts a gateway. Where a call waits for
    this, `TEST_MODELS` loads them before."""
    import django

    django.setup()
    from config.serve.end_overlap import end_overlap

    end_overlap(old, address, request_id)


def dump_tasks(*_: Any) -> None:
    """For a test that waits in vain (tests/gateways.py)."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


if os.environ.get("TEST_MODELS"):
    import django

    django.setup()
    import config.serve.end_overlap  # noqa: F401
signal.signal(signal.SIGUSR2, dump_tasks)
app = Gateway(
    conninfo=os.environ["TEST_CONNINFO"],
    peppers=ring("TEST_PEPPERS"),
    signing_keys=ring("TEST_SIGNING_KEYS"),
    end_overlap=end_overlap,
    secrets={"tests": os.environ["TEST_SECRET"]},
    metrics_port=int(os.environ["TEST_METRICS_PORT"]),
)
