"""Read how keys were used: from roll-ups, and from the log where it is not summed yet or a caller needs its paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connections

from audit.usage.roll_up import (
    BEFORE_ROUTE,
    FOR_WHAT_WAS_SENT,
    LOGGED_ROUTE,
    MAX_CALLS_READ,
    UNPROVEN,
    get_period_start,
)
from core.bounded_cache import BoundedCache
from core.replica import get_log_database

# The second column changes whenever the log is summed further, or anew.
_STATE = "SELECT max(until), max(xmin::text || ctid::text), clock_timestamp() FROM audit_usage_state"
_ASKED = "key_id = ANY (%(keys)s) AND reason <> ALL (%(sent)s)"
# Hides the number of keys from the planner. Where little is left to read, it takes longer to estimate the calls of
# hundreds of keys than to read them.
_ASKED_OF_LITTLE = "key_id = ANY ((SELECT %(keys)s::text[])::text[]) AND (reason = '' OR reason <> ALL (%(sent)s))"
# Texts and whole seconds: arrays of texts and of fractions take psycopg twice as long.
_OF_EACH_KEY = "string_agg(key_id, ' '), array_agg(calls), array_agg(floor(date_part('epoch', last_seen))::bigint)"
# Its last row says that the state is the one asked about, in the snapshot of the statement.
_SUMMED = f"""
    SELECT coalesce(host(client_address), ''), credential, route, module, reason, '', '', '', {_OF_EACH_KEY}
    FROM audit_usage WHERE {_ASKED} AND calls > 0 {{apart}}
    GROUP BY client_address, credential, route, module, reason
    UNION ALL
    SELECT NULL, '', '', '', '', '', '', '', '', '{{{{}}}}', '{{{{}}}}'
    FROM audit_usage_state WHERE xmin::text || ctid::text = %(state)s
"""
_READ_SUMMED = _SUMMED.format(apart="")
# Without the calls that are read from the log for their paths.
_READ_SUMMED_APART = _SUMMED.format(apart="AND route <> ALL (%(by_path)s) AND reason <> ALL (%(before_route)s)")
_BY_PATH = f"({LOGGED_ROUTE} = ANY (%(by_path)s) OR reason = ANY (%(before_route)s))"
_RECENT_BY_PATH = f"({LOGGED_ROUTE} = ANY (%(recent_by_path)s) AND path ~ %(paths)s)"


def _build_recent(newest: str, by_path: str, asked: str = _ASKED_OF_LITTLE) -> str:
    """Return the statement for the calls that are not summed yet, and those whose paths are asked for: which calls are
    read, and which of them with their paths. The time is a parameter, because the planner must know how little of the
    log is left to read."""
    return f"""
        WITH scanned AS MATERIALIZED (
            SELECT key_id, client_address, credential, rule, path, api, module, reason, folded, time, method, query,
                {by_path} AS by_path
            FROM audit_call WHERE {asked} AND time >= %(since)s AND {newest}
            ORDER BY time DESC LIMIT %(limit)s
        ), recent AS (
            SELECT key_id, client_address, credential, {LOGGED_ROUTE} AS route, module, reason,
                CASE WHEN by_path THEN method ELSE '' END AS method,
                CASE WHEN by_path THEN path ELSE '' END AS path,
                CASE WHEN by_path THEN query ELSE '' END AS query,
                sum(folded)::bigint AS calls, max(time) AS last_seen
            FROM scanned GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        )
        SELECT coalesce(host(client_address), ''), credential, route, module, reason, method, path, query,
            {_OF_EACH_KEY}
        FROM recent GROUP BY client_address, credential, route, module, reason, method, path, query
        UNION ALL
        SELECT NULL, '', '', '', '', '', '', '', '', ARRAY[count(*)], ARRAY[ceil(date_part('epoch', min(time)))::bigint]
        FROM scanned
    """


_RECENT = "time >= %(until)s"
_READ_RECENT = _build_recent(_RECENT, "reason <> '' AND reason = ANY (%(before_route)s)")
_READ_RECENT_BY_PATH = _build_recent(_RECENT, f"({_BY_PATH} OR {_RECENT_BY_PATH})")
_READ_BY_PATH = _build_recent(f"({_RECENT} OR {_BY_PATH})", f"({_BY_PATH} OR {_RECENT_BY_PATH})", _ASKED)
# A form asks again and again as it is filled in, and sums change once an hour. Each process remembers the sums that it
# read last, of not more rows than take some megabytes.
MAX_REMEMBERED, MAX_ROWS_REMEMBERED = 8, 50_000


# Of one key since a moment within the 30 days: whole days from the roll-ups; the moment's day and what is not yet
# summed from the log, in the order of its index.
_READ_SINCE = f"""
    WITH period AS MATERIALIZED (
        SELECT coalesce(max(until), '-infinity') AS until, %(since)s::timestamptz AS since,
            date_trunc('day', %(since)s::timestamptz, 'UTC') + interval '1 day' AS next_day
        FROM audit_usage_state
    ), scanned AS MATERIALIZED (
        (SELECT * FROM audit_call WHERE key_id = %(key)s AND reason <> ALL (%(unproven)s)
            AND time >= (SELECT greatest(until, since) FROM period) ORDER BY time DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT * FROM audit_call WHERE key_id = %(key)s AND reason <> ALL (%(unproven)s)
            AND time >= %(since)s AND time < (SELECT least(until, next_day) FROM period)
            ORDER BY time DESC LIMIT %(limit)s)
    ), found AS (
        SELECT client_address, credential, route, module, reason, old_secret, sum(d.calls)::bigint AS calls, last_seen
        FROM audit_usage u JOIN audit_usage_day d ON d.usage_id = u.id
        WHERE key_id = %(key)s AND reason <> ALL (%(unproven)s) AND last_seen >= (SELECT next_day FROM period)
            AND d.day = ANY (ARRAY(
                SELECT (day AT TIME ZONE 'UTC')::date FROM period,
                    generate_series(next_day, greatest(until, next_day - interval '1 day'), interval '1 day') AS day))
        GROUP BY u.id
        UNION ALL
        SELECT client_address, credential, {LOGGED_ROUTE}, module, reason, old_secret, folded, time FROM scanned
    )
    SELECT old_secret, (SELECT count(*) FROM scanned), coalesce(host(client_address), ''),
        credential, route, module, reason, sum(calls)::bigint, date_part('epoch', max(last_seen))
    FROM found GROUP BY 1, 3, 4, 5, 6, 7
"""


class CallGroup(NamedTuple):
    """Calls that are alike but for the key: for each of `key_ids`, how many, and the time of the last one in Unix
    seconds. A key may be there twice.

    They are known by their route: its text, empty for none, or WHOAMI. Those that were refused before routes are looked
    at, or whose paths were asked for, have a method, a path and a query if they are read from the log.
    """

    address: str
    credential: str
    route: str
    module: str
    reason: str
    method: str
    path: str
    query: str
    key_ids: list[str]
    calls: list[int]
    last_seen: list[float]


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """How keys were used since `since`, those before `summed_until` by the roll-ups. If there were too many calls to
    read, `scanned_since` is the time before which only those of roll-ups are known."""

    groups: Sequence[CallGroup]
    since: datetime
    summed_until: datetime
    scanned_since: datetime | None = None

    def count_allowed(self) -> Counter[str]:
        """Return the number of allowed calls by key ID."""
        counted: Counter[str] = Counter()
        for group in self.groups:
            for key_id, calls in zip(group.key_ids, group.calls, strict=True) if not group.reason else ():
                counted[key_id] += calls
        return counted


class _Summed(NamedTuple):
    """Calls of the roll-ups: those between `since` and `until`."""

    groups: Sequence[CallGroup]
    since: datetime
    until: datetime


_remembered: BoundedCache[_Summed] = BoundedCache(MAX_REMEMBERED)


def read_usage(
    key_ids: Collection[str],
    *,
    by_path: Collection[str] = (),
    recent_by_path: Collection[str] = (),
    paths: str = "",
) -> KeyUsage:
    """Return the calls with these keys of the last 30 days whose secret matched.

    Calls on the routes `by_path`, and with them all that were refused before routes are looked at, are read from the
    log, the newest MAX_CALLS_READ of them. Of those on the routes `recent_by_path`, the calls that are not summed yet
    are read with their paths if those match `paths`, a regular expression.
    """
    values: dict[str, Any] = {
        "keys": list(key_ids),
        "sent": list(FOR_WHAT_WAS_SENT),
        "by_path": list(by_path),
        "recent_by_path": list(recent_by_path),
        "paths": paths,
        "before_route": list(BEFORE_ROUTE),
        "limit": MAX_CALLS_READ,
    }
    with connections[get_log_database()].cursor() as cursor:
        summed = _read_summed(cursor, values)
        # Rows before `until` are sealed: no hour is read twice or not at all, although it may be summed meanwhile.
        values |= {"since": summed.since, "until": summed.until}
        recent = _READ_RECENT_BY_PATH if recent_by_path else _READ_RECENT
        cursor.execute(_READ_BY_PATH if by_path else recent, values)
        found = cursor.fetchall()
    *_, (scanned,), (oldest,) = found.pop()
    scanned_since = datetime.fromtimestamp(oldest, UTC) if scanned == MAX_CALLS_READ else None
    return KeyUsage([*summed.groups, *map(_build_group, found)], summed.since, summed.until, scanned_since)


def _read_summed(cursor: Any, values: dict[str, Any]) -> _Summed:
    """Read the roll-ups of the keys, unless this process remembers them."""
    while True:
        cursor.execute(_STATE)
        until, state, now = cursor.fetchone()
        since = get_period_start(until or now)
        if until is None:
            return _Summed((), since, since)
        cache_key = state, frozenset(values["keys"])
        if not values["by_path"] and (known := _remembered.get(cache_key)):
            return known
        cursor.execute(_READ_SUMMED_APART if values["by_path"] else _READ_SUMMED, values | {"state": state})
        if not ((found := cursor.fetchall()) and found[-1][0] is None):
            # It has been summed further.
            continue
        summed = _Summed([_build_group(row) for row in found[:-1]], since, until)
        if not values["by_path"] and sum(len(group.key_ids) for group in summed.groups) <= MAX_ROWS_REMEMBERED:
            _remembered.put(cache_key, summed)
        return summed


def _build_group(row: Sequence[Any]) -> CallGroup:
    return CallGroup._make((*row[:8], row[8].split(" "), *row[9:]))


@dataclass(frozen=True, slots=True)
class SecretUsage:
    """How a key was used since `since`: with its current secret, and with the one before. `complete` says that no calls
    were left out because they were too many to read."""

    current: Sequence[CallGroup]
    old: Sequence[CallGroup]
    since: datetime
    complete: bool


def read_secret_usage(key_id: str, since: datetime) -> SecretUsage:
    """Return the calls with the key since its secret was changed, whose secret matched; at most 30 days ago."""
    values: dict[str, Any] = {"key": key_id, "since": since, "unproven": list(UNPROVEN), "limit": MAX_CALLS_READ}
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(_READ_SINCE, values)
        found = cursor.fetchall()
    groups: dict[bool, list[CallGroup]] = {True: [], False: []}
    for old_secret, _, *alike, calls, last_seen in found:
        groups[old_secret].append(CallGroup._make((*alike, "", "", "", [key_id], [calls], [last_seen])))
    return SecretUsage(groups[False], groups[True], since, all(scanned < MAX_CALLS_READ for _, scanned, *_ in found))
