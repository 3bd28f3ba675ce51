"""The limit of any check that commits each row before its answer: the same rows, inserted in the same batches over the
same connection, without HTTP and without a decision."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from statistics import median, quantiles

from benchmarks.contenders import Contender
from benchmarks.installation import ROOT
from benchmarks.load import Load

BATCH = 32  # what verification inserts at once with 64 calls under way


class InsertLimit(Contender):
    """Inserts rows in a process of its own; an answer is a committed row."""

    def measure(self, headers: dict[str, str], seconds: float) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.insert_limit", str(seconds)],
            cwd=ROOT,
            env=os.environ,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        measured = json.loads(ran.stdout)
        self.cpu.append(measured.pop("cpu") / measured["answers"] * 1e6)
        self.rounds.append(Load(**measured, refused=0, failed=0))


async def insert_for(seconds: float) -> dict[str, float]:
    """Insert batches for so many seconds; return the rows, the seconds and the CPU seconds, and each batch's p50 and
    p99 in milliseconds."""
    from config.embedded.backend.parameters import build_conninfo
    from gateway.database_history import TIMELINE, Position
    from gateway.libpq.connection import LibpqConnection
    from gateway.libpq.database import connect
    from gateway.log_insert import build_insert, parse_insert_result
    from gateway.log_rows import COLUMNS

    connection = await connect(build_conninfo("default"))
    found = await (await connection.execute(f"SELECT {TIMELINE}, n, token::text FROM key_epoch")).fetchone()
    # A row that the gateway inserted.
    columns = ", ".join(f"coalesce({column}::text, '')" for column in COLUMNS)
    row = await (await connection.execute(f"SELECT {columns} FROM audit_call LIMIT 1")).fetchone()
    assert found is not None
    assert row is not None
    epoch = Position(*found)
    libpq = LibpqConnection(connection, timeout_seconds=10)
    took: list[float] = []
    now = time.time()
    began, cpu = time.perf_counter(), time.process_time()
    while (start := time.perf_counter()) < began + seconds:
        rows = [(str(uuid.uuid4()), *row[1:]) for _ in range(BATCH)]
        inserted = await libpq.execute(
            *build_insert(rows, None, epoch=epoch, now=now),
            lambda result: parse_insert_result(result, BATCH, nonces=False),
        )
        if inserted is None:
            raise SystemExit("the epoch moved")
        now = inserted.now
        took.append((time.perf_counter() - start) * 1000)
    ended = time.perf_counter()
    measured = {"answers": len(took) * BATCH, "seconds": ended - began, "cpu": time.process_time() - cpu}
    await libpq.close()
    return measured | {"p50": median(took), "p99": quantiles(took, n=100)[-1]}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(asyncio.run(insert_for(float(sys.argv[1])))))
