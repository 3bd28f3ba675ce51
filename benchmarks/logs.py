"""Rows for the benchmarks of the logs: calls as a gateway writes them, some with phone numbers, and events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.bulk import restoring

CALLS = """
    INSERT INTO audit_call (time, request_id, account_id, account, api, key_id, key_name, owner, credential, method,
        host, path, query, module, client_address, decision, reason, rule, mask, hlr, proxy, user_agent, status,
        duration_ms, bytes)
    SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || 'a'
            || substr(noise, 4, 15))::uuid, %(account)s, 'acme', (ARRAY['billing', 'cloud-pbx', 'lynx'])[1 + n %% 3],
        %(keys)s || lpad((n %% 200)::text, 4, '0'), 'Shop ' || n %% 200, 'owner' || n %% 20, 'bearer',
        CASE WHEN n %% 7 = 0 THEN 'POST' ELSE 'GET' END, 'api.example.com', '/customers/' || n %% 5000,
        CASE WHEN n %% 10 = 0 THEN 'to=4479' || lpad((n %% 100000000)::text, 8, '0') ELSE 'page=' || n %% 40 END,
        (ARRAY['customers', 'invoices', 'payments'])[1 + n %% 3], ('203.0.113.' || n %% 250)::inet,
        CASE WHEN n %% 25 = 0 THEN 'denied' ELSE 'allowed' END,
        CASE WHEN n %% 25 = 0 THEN (ARRAY['key_expired', 'ip_not_allowed'])[1 + n %% 2] ELSE '' END,
        '203.0.113.0/24; GET /customers/{id}', true, false, 'nginx', 'curl/8.5.0', 200, n %% 90 + 0.5, n %% 9000
    FROM (SELECT n, md5(n::text) AS noise, clock_timestamp() - n * %(step)s * interval '1 second' AS at
        FROM generate_series(%(first)s, %(last)s, -1) AS n) AS numbered
"""
EVENT = (
    '{"account_id":%d,"actor":{"id":"7","kind":"user","label":"alice@acme.example"},"address":"203.0.113.8",'
    '"confirmed_by":"password","data":{"api":"billing","changes":{"name":["Shop %d","Shop"]}},"event":"key.edited",'
    '"number":%d,"request_id":"01a1fa00-0000-7000-8000-000000000000","target":{"id":"%s","kind":"key","label":"Shop"}}'
)
BATCH = 250_000
# The longest that an hour waits for `maintain` where all is well: its timers run within seven minutes of the hour.
SEALED_AFTER = timedelta(minutes=10)


def get_key_id(account_id: int | None, number: int) -> str:
    """Return the API ID of one of an account's 200 keys."""
    return f"{account_id or 0:08}{number:04}"


def make_calls(account_id: int | None, count: int, *, days: float = 30) -> None:
    """Insert calls of the account, or of none, spread evenly over the last days, the oldest first."""
    from audit.calls.partitions import ensure_partitions

    facts = {"account": account_id, "keys": get_key_id(account_id, 0)[:8], "step": days * 86_400 / count}
    with restoring("audit_call") as cursor:
        for first in (count, *range(count - 1, 0, -BATCH)):
            cursor.execute(
                CALLS, facts | {"first": first, "last": max(first - BATCH + 1, 1) if first < count else first}
            )
            if first == count:
                # The oldest row tells which partitions are needed.
                ensure_partitions()


def sum_calls() -> None:
    """Sum the calls for charts as the seals of all hours do that ended SEALED_AFTER ago."""
    from django.db import connection, connections, transaction

    from audit.calls import rollups
    from core.replica import lift_time_limits

    until = (datetime.now(UTC) - SEALED_AFTER).replace(minute=0, second=0, microsecond=0)
    with transaction.atomic(), connection.cursor() as cursor:
        lift_time_limits(cursor)
        rollups.insert_sums(datetime.min.replace(tzinfo=UTC), until)
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE audit_rollup, audit_rollup_total")


def make_events(account_id: int, count: int) -> None:
    """Insert events of the account, edits of its keys, chained as the trail chains them, but in one statement."""
    from django.conf import settings
    from psycopg import sql

    from audit.trail import chain

    number, secret = next(iter(settings.AUDIT_KEYS.items()))
    with restoring("audit_event") as cursor:
        cursor.execute("SELECT seq, mac, clock_timestamp() FROM audit_head")
        last, mac, at = cursor.fetchone()
        mac, instant = bytes(mac), chain.format_instant(at)
        cursor.execute("SELECT coalesce(max(number), 0) FROM audit_event WHERE account_id = %s", [account_id])
        (numbered,) = cursor.fetchone()
        columns = sql.SQL("COPY audit_event (seq, at, body, key_id, prev, mac) FROM STDIN")
        with cursor.copy(columns) as copy:
            for seq in range(last + 1, last + count + 1):
                prev, body = mac, EVENT % (account_id, seq, numbered + seq - last, get_key_id(account_id, seq % 200))
                mac = chain.compute_mac(secret, prev, b"%d" % seq, instant.encode(), body.encode())
                copy.write_row((seq, at, body, number, prev, mac))
        cursor.execute("UPDATE audit_head SET seq = %s, mac = %s", [last + count, mac])
