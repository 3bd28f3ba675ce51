"""Verification of the whole audit trail, beside a plain hash of the same bytes."""

from __future__ import annotations

import hashlib
import time
from statistics import median

from benchmarks.figures import format_table
from benchmarks.installation import installation
from benchmarks.logs import make_events
from benchmarks.results import Ratio
from benchmarks.sizes import Size

SAMPLE = "SELECT string_agg(prev || convert_to(body, 'UTF8'), '') FROM audit_event WHERE seq <= 100000"


def run(size: Size) -> list[Ratio]:
    events, rounds = size.choose(quick=(1_000, 1), normal=(200_000, 5), full=(1_000_000, 5))
    with installation():
        from django.conf import settings
        from django.db import connections

        from audit.trail.verification import verify

        make_events(1, events)
        with connections["default"].cursor() as cursor:
            cursor.execute(SAMPLE)
            sample = bytes(cursor.fetchone()[0])
            cursor.execute("SELECT sum(octet_length(body) + 32), count(*) FROM audit_event")
            bytes_hashed, count = cursor.fetchone()
        ours, hashed = [], []
        for _ in range(rounds):
            started = time.perf_counter()
            verdict = verify(settings.AUDIT_KEYS, {}, calls=False)
            ours.append(time.perf_counter() - started)
            if verdict.problem or verdict.events != count:
                raise SystemExit(f"the trail is not good: {verdict}")
            started = time.perf_counter()
            hashlib.sha256(sample).hexdigest()
            hashed.append((time.perf_counter() - started) * int(bytes_hashed) / len(sample))
    print(f"{count:,} events, {rounds} rounds in turn, medians\n")
    print(
        format_table(
            ("", "seconds"), [("audit_verify", f"{median(ours):.2f}"), ("SHA-256 of the same", f"{median(hashed):.3f}")]
        )
    )
    return [Ratio("audit-verify", [a / b for a, b in zip(ours, hashed, strict=True)], must=30, aim=10)]
