"""Aggregate from which addresses and for which modules keys were used recently, from a bounded number of calls."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections
from django.utils import timezone

from audit.paging import MAX_ROWS_SCANNED
from core.replica import get_log_database

PERIOD = timedelta(days=30)
HOURS = PERIOD // timedelta(hours=1)
MAX_GROUPS = 1_000  # addresses or modules

# Rows are found by key and time, whatever the decision: the number scanned is bounded for keys with many refusals too.
_COLUMNS = "key_id, account_id, time, client_address, module, credential, decision"
_NEWEST = f"""
    SELECT {_COLUMNS} FROM audit_call WHERE key_id = %s AND time >= %s AND time < %s ORDER BY time DESC LIMIT %s
"""
_OF_EACH_HOUR = f"""
    SELECT scanned.* FROM generate_series(%s::timestamptz, %s, interval '1 hour') AS hour, LATERAL (
        SELECT {_COLUMNS} FROM audit_call
        WHERE key_id = %s AND time >= hour AND time < least(hour + interval '1 hour', %s)
        ORDER BY time DESC LIMIT %s) AS scanned
"""
# One row for all calls, then modules, then addresses. Calls by a recording link need no module and have none.
_ALL, _MODULE, _ADDRESS = 3, 2, 1
_GROUPED = f"""
    WITH scanned AS MATERIALIZED (SCANNED)
    SELECT grouping(client_address, module), coalesce(host(client_address), module), count(*), max(time),
        (SELECT count(*) FROM scanned), (SELECT min(time) FROM scanned)
    FROM scanned WHERE account_id = %s AND decision = 'allowed'
    GROUP BY GROUPING SETS ((), (module, credential = 'recording'), (client_address))
    HAVING grouping(client_address, module) <> {_MODULE} OR (credential = 'recording') IS FALSE
    ORDER BY 1 DESC, 3 DESC, 4 DESC LIMIT %s
"""
_OF_KEYS = f"""
    SELECT key_id, host(client_address), count(*), max(time) FROM unnest(%s::text[]) AS wanted (id), LATERAL (
        SELECT {_COLUMNS} FROM audit_call WHERE key_id = wanted.id AND time >= %s ORDER BY time DESC LIMIT %s
    ) AS scanned
    WHERE account_id = %s AND decision = 'allowed' AND client_address <<= ANY (%s::inet[])
    GROUP BY 1, client_address ORDER BY 3 DESC, 4 DESC LIMIT %s
"""


class Use(NamedTuple):
    """Allowed calls from one address or for one module, and the time of the last of them."""

    what: str
    calls: int
    last: datetime


class KeyUse(NamedTuple):
    """Allowed calls with one key from one address, and the time of the last of them."""

    key_id: str
    address: str
    calls: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Uses:
    """Uses in the order of their number of calls, most first. If the scan was limited, `scanned_since` is the time
    before which only `of_each_hour` calls of each hour were scanned, and numbers of calls are lower bounds."""

    addresses: Sequence[Use] = ()
    modules: Sequence[Use] = ()
    scanned_since: datetime | None = None
    of_each_hour: int = 0


def get_uses(account_id: int, key_id: str) -> Uses:
    """Return the uses of a key in the last 30 days. The newest MAX_ROWS_SCANNED calls are aggregated, then at most a
    fixed number of each earlier hour."""
    now = timezone.now()
    since = now - PERIOD
    with connections[get_log_database()].cursor() as cursor:

        def scan(scanned: str, *params: Any) -> list[tuple[Any, ...]]:
            cursor.execute(_GROUPED.replace("SCANNED", scanned), [*params, account_id, MAX_GROUPS])
            return cursor.fetchall()

        (*_, scanned, scanned_since), *rows = scan(_NEWEST, key_id, since, now, MAX_ROWS_SCANNED)
        if scanned < MAX_ROWS_SCANNED:
            return _build_uses(rows)
        of_each_hour = MAX_ROWS_SCANNED // HOURS
        return _build_uses(
            rows + scan(_OF_EACH_HOUR, since, scanned_since, key_id, scanned_since, of_each_hour),
            scanned_since,
            of_each_hour,
        )


def _build_uses(rows: Sequence[tuple[Any, ...]], scanned_since: datetime | None = None, of_each_hour: int = 0) -> Uses:
    found: dict[tuple[int, str], Use] = {}
    for kind, what, calls, last, *_ in rows:
        if kind != _ALL and what:
            known = found.get((kind, what), Use(what, 0, last))
            found[kind, what] = Use(what, known.calls + calls, max(known.last, last))
    ordered = sorted(found.items(), key=lambda one: -one[1].calls)
    addresses, modules = ([use for (of, _), use in ordered if of == kind] for kind in (_ADDRESS, _MODULE))
    return Uses(addresses, modules, scanned_since, of_each_hour)


def list_uses_within(account_id: int, key_ids: Collection[str], networks: Collection[str]) -> list[KeyUse]:
    """Return from which addresses in these networks the keys were used in the last 30 days, from the newest calls of
    each key, MAX_ROWS_SCANNED of all keys together."""
    if not key_ids or not networks:
        return []
    params: list[Any] = [
        sorted(key_ids),
        timezone.now() - PERIOD,
        MAX_ROWS_SCANNED // len(key_ids),
        account_id,
        list(networks),
        MAX_GROUPS,
    ]
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(_OF_KEYS, params)
        return [KeyUse(*row) for row in cursor.fetchall()]
