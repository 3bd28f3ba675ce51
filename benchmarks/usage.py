"""Calls of many keys, summed as `maintain` sums them but for the last hours, for the pages that replay them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks.bulk import restoring

# Half of the calls are of the first 100 keys, a tenth of the first alone; each key calls from five addresses.
CALLS = """
    INSERT INTO audit_call (time, request_id, account_id, account, api, key_id, key_name, owner, credential, method,
        host, path, query, module, client_address, decision, reason, rule, mask, hlr, proxy, user_agent)
    SELECT clock_timestamp() - n * %(step)s * interval '1 second', gen_random_uuid(), %(account)s, 'acme', 'billing',
        k.public_id, 'Shop', 'alice', 'bearer', 'GET', 'api.example.com', '/' || r.module || '/' || n %% 5000, '',
        CASE WHEN n %% 25 = 0 THEN '' ELSE r.module END, ('127.0.' || n / 11 %% 2 || '.' || 1 + n / 7 %% 5)::inet,
        CASE WHEN n %% 25 = 0 THEN 'denied' ELSE 'allowed' END, CASE WHEN n %% 25 = 0 THEN 'ip_not_allowed' ELSE '' END,
        CASE WHEN n %% 25 = 0 THEN '' ELSE '127.0.0.0/8; GET /' || r.module || '/{' || r.name || '}' END,
        false, false, 'nginx', 'curl/8.5.0'
    FROM generate_series(%(first)s, %(last)s, -1) AS n
    JOIN benchmark_key k ON k.place = CASE
        WHEN n %% 10 = 0 THEN 0 WHEN n %% 2 = 0 THEN n / 10 %% 100 ELSE n %% %(keys)s END
    JOIN (VALUES (0, 'customers', 'customer_id'), (1, 'invoices', 'invoice_id'), (2, 'payments', 'payment_id'))
        AS r (place, module, name) ON r.place = n / 3 %% 3
"""
BATCH = 250_000


class Lists(NamedTuple):
    """IP lists that 100 keys and all others use, each with an entry that every call comes from."""

    of_some: Any
    of_others: Any


def make_usage(account: Any, count: int) -> None:
    """Insert calls with the account's keys over 30 days, and sum all but those of the last two hours."""
    from audit.calls.partitions import ensure_partitions
    from audit.usage import roll_up
    from keys.selectors.decision import build_route_matcher

    facts = {"account": account.pk, "step": 30 * 86_400 / count}
    with restoring("audit_call") as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE benchmark_key AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, public_id"
            " FROM keys_key WHERE account_id = %s",
            [account.pk],
        )
        cursor.execute("SELECT count(*) FROM benchmark_key")
        (facts["keys"],) = cursor.fetchone()
        for first in (count, *range(count - 1, 0, -BATCH)):
            last = max(first - BATCH + 1, 1) if first < count else first
            cursor.execute(CALLS, facts | {"first": first, "last": last})
            if first == count:
                # The oldest row tells which partitions are needed.
                ensure_partitions()
    summed = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    with patch.object(roll_up, "get_sealed_until", lambda: summed):
        roll_up.roll_up(build_route_matcher())


def make_lists(account: Any) -> Lists:
    """Restrict all keys of the account to lists, instead of their own entries."""
    from keys.models import Address, IpList, IpListEntry, Key, KeyIpList

    Address.objects.filter(key__account=account).delete()

    made = Lists(*(IpList.objects.create(account=account, name=name) for name in ("Some", "Others")))
    keys = list(Key.objects.filter(account=account).order_by("pk").values_list("pk", flat=True))
    for ip_list, using in zip(made, (keys[:100], keys[100:]), strict=True):
        IpListEntry.objects.create(ip_list=ip_list, network="127.0.0.0/16")
        KeyIpList.objects.bulk_create(KeyIpList(key_id=pk, ip_list=ip_list) for pk in using)
    return made
