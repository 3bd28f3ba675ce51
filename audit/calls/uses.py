"""From where, and for what, a key was used lately: read from a bounded number of its calls."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections
from django.utils import timezone

from audit.paging import MAX_ROWS_SCANNED
from core.replica import reading

LATELY = timedelta(days=30)
HOURS = LATELY // timedelta(hours=1)
MAX_GROUPS = 1_000  # addresses or modules

# The rows are found by key and time, whatever was decided: of a key that is refused a million times an hour as many are
# looked at as of any other.
_COLUMNS = "key_id, account_id, time, client_address, module, credential, decision"
_NEWEST = f"""
    SELECT {_COLUMNS} FROM audit_call WHERE key_id = %s AND time >= %s AND time < %s ORDER BY time DESC LIMIT %s
"""
_OF_EACH_HOUR = f"""
    SELECT looked.* FROM generate_series(%s::timestamptz, %s, interval '1 hour') AS hour, LATERAL (
        SELECT {_COLUMNS} FROM audit_call
        WHERE key_id = %s AND time >= hour AND time < least(hour + interval '1 hour', %s)
        ORDER BY time DESC LIMIT %s) AS looked
"""
# One row of all, then those of modules, then those of addresses. A recording link is of no module: it needs none.
_ALL, _MODULE, _ADDRESS = 3, 2, 1
_GROUPED = f"""
    WITH looked AS MATERIALIZED (LOOKED)
    SELECT grouping(client_address, module), coalesce(host(client_address), module), count(*), max(time),
        (SELECT count(*) FROM looked), (SELECT min(time) FROM looked)
    FROM looked WHERE account_id = %s AND decision = 'allowed'
    GROUP BY GROUPING SETS ((), (module, credential = 'recording'), (client_address))
    HAVING grouping(client_address, module) <> {_MODULE} OR (credential = 'recording') IS FALSE
    ORDER BY 1 DESC, 3 DESC, 4 DESC LIMIT %s
"""
_OF_KEYS = f"""
    SELECT key_id, host(client_address), count(*), max(time) FROM unnest(%s::text[]) AS wanted (id), LATERAL (
        SELECT {_COLUMNS} FROM audit_call WHERE key_id = wanted.id AND time >= %s ORDER BY time DESC LIMIT %s) AS looked
    WHERE account_id = %s AND decision = 'allowed' AND client_address <<= ANY (%s::inet[])
    GROUP BY 1, client_address ORDER BY 3 DESC, 4 DESC LIMIT %s
"""


class Use(NamedTuple):
    """Allowed calls from one address or for one module: how many were seen, and when the last of them was."""

    what: str
    calls: int
    last: datetime


class KeyUse(NamedTuple):
    key_id: str
    address: str
    calls: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Uses:
    """The most used come first. `scanned_since` is the time before which only `of_each_hour` calls of each hour were
    looked at, None if all were; the numbers of calls are then at least what they say."""

    addresses: Sequence[Use] = ()
    modules: Sequence[Use] = ()
    scanned_since: datetime | None = None
    of_each_hour: int = 0


def get_uses(account_id: int, key_id: str) -> Uses:
    """Return what the key was allowed in the last 30 days."""
    now = timezone.now()
    since = now - LATELY
    with connections[reading()].cursor() as cursor:

        def look(looked: str, *params: Any) -> list[tuple[Any, ...]]:
            cursor.execute(_GROUPED.replace("LOOKED", looked), [*params, account_id, MAX_GROUPS])
            return cursor.fetchall()

        (*_, looked, scanned_since), *rows = look(_NEWEST, key_id, since, now, MAX_ROWS_SCANNED)
        if looked < MAX_ROWS_SCANNED:
            return _build_uses(rows)
        of_each_hour = MAX_ROWS_SCANNED // HOURS
        return _build_uses(
            rows + look(_OF_EACH_HOUR, since, scanned_since, key_id, scanned_since, of_each_hour),
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
    """Return from which addresses in these networks the keys were allowed in the last 30 days, of the newest calls of
    each, MAX_ROWS_SCANNED for all keys together."""
    if not key_ids or not networks:
        return []
    params: list[Any] = [
        sorted(key_ids),
        timezone.now() - LATELY,
        MAX_ROWS_SCANNED // len(key_ids),
        account_id,
        list(networks),
        MAX_GROUPS,
    ]
    with connections[reading()].cursor() as cursor:
        cursor.execute(_OF_KEYS, params)
        return [KeyUse(*row) for row in cursor.fetchall()]
