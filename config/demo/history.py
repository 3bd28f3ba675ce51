"""A month of calls for the demo: copies of those just logged, at earlier times."""

from __future__ import annotations

from django.db import connections

from audit.calls.insert import BATCH_COLUMNS

CALLS = 4000
# Busy at midday, quiet at weekends, the same at every first start. Status, duration and bytes of the upstream are
# included, as if from a proxy's access log. The request ID is a UUIDv7 of the time.
BACKFILL = """
    WITH decided AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY time, request_id) AS n, count(*) OVER () AS total FROM audit_call
    ), moments AS MATERIALIZED (
        SELECT date_trunc('day', clock_timestamp(), 'UTC') - floor(random() * 31) * interval '1 day'
                + (random() + random() + random()) * interval '8 hours' AS at,
            random() AS pick, random() AS luck, random() AS weight, md5(random()::text) AS noise
        FROM generate_series(1, %(calls)s)
    )
    INSERT INTO audit_call (time, request_id, {columns}, status, duration_ms, bytes)
    SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3)
            || 'a' || substr(noise, 4, 15))::uuid, {columns},
        CASE WHEN decision = 'denied' THEN CASE WHEN reason IN ({forbidden}) THEN 403 ELSE 401 END
            WHEN luck < 0.01 THEN 502 WHEN luck < 0.05 THEN 404 ELSE 200 END,
        round((4 + 30 * weight + 600 * power(weight, 12))::numeric, 1),
        CASE WHEN decision = 'denied' THEN 0 ELSE (300 + 9000 * power(luck, 3))::int END
    FROM moments JOIN decided ON n = 1 + floor(pick * total)
    WHERE at < clock_timestamp() - interval '5 minutes'
        AND (extract(isodow FROM at) < 6 OR weight < 0.2) AND (decision = 'allowed' OR weight < 0.5)
"""
FORBIDDEN = ("ip_not_allowed", "module_not_granted", "recordings_not_allowed", "unreadable_request")


def backfill_calls() -> None:
    """Insert the copies as the owner, the only role that may set the time of a call. The log must hold only calls of
    the demo."""
    columns = ", ".join(name for name in BATCH_COLUMNS if name != "request_id")
    forbidden = ", ".join(f"'{code}'" for code in FORBIDDEN)
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT setseed(0.42)")
        cursor.execute(BACKFILL.format(columns=columns, forbidden=forbidden), {"calls": CALLS})
