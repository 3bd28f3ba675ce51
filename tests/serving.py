"""The gateway over a test's database. `TEST_PLANT` plants a fault that a test must notice."""

from __future__ import annotations

import base64
import json
import os

from gateway.app import Gateway

if planted := os.environ.get("TEST_PLANT"):
    from tests.faults import planted_faults

    getattr(planted_faults, planted)()

app = Gateway(
    conninfo=os.environ["TEST_CONNINFO"],
    peppers={
        int(number): base64.b64decode(pepper) for number, pepper in json.loads(os.environ["TEST_PEPPERS"]).items()
    },
    secrets={"tests": os.environ["TEST_SECRET"]},
    metrics_port=int(os.environ["TEST_METRICS_PORT"]),
)
