"""Verifying the whole audit trail, beside a plain hash of the same bytes."""

from __future__ import annotations

import hashlib
import time
from statistics import median

from benchmarks.figures import last_line, table
from benchmarks.installation import installation

BODY = (
    '{"account_id":1,"actor":{"id":"7","kind":"user","label":"alice@acme.example"},"address":"203.0.113.8",'
    '"confirmed_by":"password","data":{"api":"billing","changes":{"name":["Shop %d","Shop"]}},"event":"key.edited",'
    '"request_id":"01a1fa00-0000-7000-8000-000000000000","target":{"id":"0123456789ab","kind":"key","label":"Shop"}}'
)

SAMPLE = "SELECT string_agg(prev || convert_to(body, 'UTF8'), '') FROM audit_event WHERE seq <= 100000"


def run(*, quick: bool) -> None:
    events, rounds = (5_000, 2) if quick else (1_000_000, 5)
    with installation():
        from django.conf import settings
        from django.db import connections

        from audit.verification import verify

        _make(events)
        with connections["default"].cursor() as cursor:
            cursor.execute(SAMPLE)
            sample = bytes(cursor.fetchone()[0])
            cursor.execute("SELECT sum(octet_length(body) + 32), count(*) FROM audit_event")
            size, count = cursor.fetchone()
        ours, hashed = [], []
        for _ in range(rounds):
            started = time.perf_counter()
            verdict = verify(settings.AUDIT_KEYS, {}, calls=False)
            ours.append(time.perf_counter() - started)
            if verdict.problem or verdict.events != count:
                raise SystemExit(f"the trail is not good: {verdict}")
            started = time.perf_counter()
            hashlib.sha256(sample).hexdigest()
            hashed.append((time.perf_counter() - started) * int(size) / len(sample))
    print(f"{count:,} events, {rounds} rounds in turn, medians\n")
    print(
        table(
            ("", "seconds"), [("audit_verify", f"{median(ours):.2f}"), ("SHA-256 of the same", f"{median(hashed):.3f}")]
        )
    )
    print(last_line("audit-verify", median(a / b for a, b in zip(ours, hashed, strict=True)), must=30, aim=10))


def _make(count: int) -> None:
    """A chain as the only writer makes it, but in few statements."""
    from django.conf import settings
    from django.db import connections
    from psycopg import sql

    from audit import chain

    key_id = next(iter(settings.AUDIT_KEYS))
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT seq, mac, clock_timestamp() FROM audit_head")
        last, mac, at = cursor.fetchone()
        mac, instant = bytes(mac), chain.instant(at)
        columns = sql.SQL("COPY audit_event (seq, at, body, key_id, prev, mac) FROM STDIN")
        with cursor.copy(columns) as copy:
            for seq in range(last + 1, last + count + 1):
                prev, body = mac, BODY % seq
                mac = chain.mac(settings.AUDIT_KEYS[key_id], prev, b"%d" % seq, instant.encode(), body.encode())
                copy.write_row((seq, at, body, key_id, prev, mac))
        cursor.execute("UPDATE audit_head SET seq = %s, mac = %s", [last + count, mac])
