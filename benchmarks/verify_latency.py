"""The latency of one call at a time, beside inserting one committed row, which any log of calls must do."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.contenders import CONNECTIONS, Contender, build_nginx_headers, get_rounds
from benchmarks.figures import format_table
from benchmarks.installation import installation, make_keys
from benchmarks.results import Ratio
from benchmarks.servers import gateway
from benchmarks.sizes import Size

# A row of the API log with all its columns and indexes.
INSERT = """
INSERT INTO audit_call (request_id, account_id, account, api, key_id, key_name, owner, credential, method, host, path,
    query, module, client_address, decision, reason, rule, mask, hlr, proxy, user_agent, folded)
VALUES (gen_random_uuid(), 1, 'acme', 'billing', %s, 'Shop 1', 'alice', 'bearer', 'GET', 'api.example.com',
    '/customers/1001', 'page=2', 'customers', '127.0.0.1', 'allowed', '', '127.0.0.0/8; GET /customers/{id}', false,
    false, 'demo', 'curl/8.5.0', 1)
"""


def run(size: Size) -> list[Ratio]:
    rounds, seconds = get_rounds(size)
    with installation(), gateway() as server:
        ours = Contender("verify", server, "/v1/verify/billing", make_keys(1000), connections=1)
        headers = build_nginx_headers()
        # With one call at a time the first round would end before each key is loaded.
        ours.copy("all keys, once", connections=CONNECTIONS).measure(headers, 2.0)
        insert: list[float] = []
        for _ in range(rounds):
            ours.measure(headers, seconds)
            insert.append(_insert_p50(seconds))
        ratios = [one.p50 / other for one, other in zip(ours.rounds, insert, strict=True)]
    print(f"1 connection, {rounds} rounds of {seconds:g} s in turn; fsync on\n")
    rows = [("one INSERT by psycopg, committed", f"{median(insert):.2f}", "1.00")]
    rows.append(("verify, its row committed", f"{ours.p50:.2f}", f"{median(ratios):.2f}"))
    print(format_table(("", "p50 ms", "x INSERT"), rows))
    return [Ratio("verify-latency", ratios, must=3, aim=1.5)]


def _insert_p50(seconds: float) -> float:
    """Return the median milliseconds of a prepared statement on an open connection."""
    import psycopg
    from django.db import connections

    parameters = connections["default"].get_connection_params()
    wanted = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname")}
    took = []
    with psycopg.connect(**wanted, autocommit=True, prepare_threshold=0) as connection:
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            connection.execute(INSERT, ("AbCdEfGh1234",))
            took.append(time.perf_counter() - began)
    return median(took) * 1000
