"""Rows for the benchmarks of the logs: calls as a gateway writes them, with phone numbers in a few of them."""

from __future__ import annotations

CALLS = """
    INSERT INTO audit_call (time, request_id, account_id, account, api, key_id, key_name, owner, credential, method,
        host, path, query, module, client_address, decision, reason, rule, mask, hlr, proxy, user_agent, status,
        duration_ms, bytes)
    SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || 'a'
            || substr(noise, 4, 15))::uuid, %(account)s, 'acme', (ARRAY['billing', 'cloud-pbx', 'lynx'])[1 + n %% 3],
        lpad((n %% 200)::text, 12, '0'), 'Shop ' || n %% 200, 'owner' || n %% 20, 'bearer',
        CASE WHEN n %% 7 = 0 THEN 'POST' ELSE 'GET' END, 'api.example.com', '/customers/' || n %% 5000,
        CASE WHEN n %% 10 = 0 THEN 'to=4479' || lpad((n %% 100000000)::text, 8, '0') ELSE 'page=' || n %% 40 END,
        (ARRAY['customers', 'invoices', 'payments'])[1 + n %% 3], ('203.0.113.' || n %% 250)::inet,
        CASE WHEN n %% 25 = 0 THEN 'denied' ELSE 'allowed' END,
        CASE WHEN n %% 25 = 0 THEN (ARRAY['key_expired', 'ip_not_allowed'])[1 + n %% 2] ELSE '' END,
        '203.0.113.0/24; GET /customers/{id}', true, false, 'nginx', 'curl/8.5.0', 200, n %% 90 + 0.5, n %% 9000
    FROM (SELECT n, md5(n::text) AS noise, clock_timestamp() - n * %(step)s * interval '1 second' AS at
        FROM generate_series(%(first)s, %(last)s) AS n) AS numbered
"""


def make_calls(account_id: int, count: int, *, days: float = 30) -> None:
    """`count` calls of the account, spread evenly over the days that have just been."""
    from django.db import connections

    from audit.calls import ensure_partitions

    step = days * 86_400 / count
    with connections["maintenance"].cursor() as cursor:
        for first in range(1, count + 1, 250_000):
            last = min(first + 249_999, count)
            cursor.execute(CALLS, {"account": account_id, "step": step, "first": first, "last": last})
    ensure_partitions()
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE audit_call")
