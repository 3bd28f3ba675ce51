"""Add sealed hours of the API log to the roll-ups of each key's calls, exactly once, and subtract days that are over.

Sealed rows never change, and how far they were summed is kept in the transaction that sums them. So a crash at any
moment loses and repeats nothing, and a rebuild has the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections, transaction

from audit.calls.seals import get_sealed_until
from audit.usage import outlines
from core.replica import lift_time_limits

PERIOD = timedelta(days=30)
DAY = timedelta(days=1)
# Of the calls that are not summed yet, the newest are read.
MAX_CALLS_READ = 100_000
# Refused before any secret or signature matched. Who sent them is anyone's guess: they are summed without address.
UNPROVEN = ("invalid_credentials", "unreadable_request", "unavailable")
# Refused for what was sent, whatever the key's settings are.
FOR_WHAT_WAS_SENT = (*UNPROVEN, "stale_timestamp", "secret_retired", "replayed")
# Refused before routes are looked at; the log has none for them.
BEFORE_ROUTE = ("account_inactive", "owner_inactive", "key_disabled", "key_expired", "ip_not_allowed")
# The route of a question about the key itself, and the paths of such calls in the proxies of deploy/ and without one.
WHOAMI = "whoami"
WHOAMI_PATHS = ("/_keyward/whoami", "/v1/whoami/")
# (API, method, path, query as logged) to (route, module) as the log names them.
MatchRoute = Callable[[str, str, str, str], tuple[str, str]]

# The logged rule is "network; route", either of them or neither. Only a route begins with a capital letter.
LOGGED_ROUTE = """
    CASE WHEN reason IN ('stale_timestamp', 'secret_retired') THEN ''
        WHEN ascii(rule) BETWEEN 65 AND 90 THEN rule
        WHEN strpos(rule, '; ') > 0 THEN substr(rule, strpos(rule, '; ') + 2)
        WHEN path IN ('/_keyward/whoami', '/v1/whoami/' || api) THEN 'whoami' ELSE '' END
"""
ALIKE = ("account_id", "key_id", "api", "client_address", "credential", "route", "module", "reason", "old_secret")
_ALIKE = ", ".join(ALIKE)
_CREATE = f"""
    CREATE TEMPORARY TABLE usage_fresh ON COMMIT DROP AS
    SELECT {_ALIKE}, last_seen, calls FROM audit_usage WITH NO DATA
"""
_RANGE = "time >= %(since)s AND time < %(until)s AND account_id IS NOT NULL AND key_id <> ''"
_SUM = f"""
    INSERT INTO usage_fresh ({_ALIKE}, last_seen, calls)
    SELECT account_id, key_id, api, client_address, credential, {LOGGED_ROUTE} AS route, module, reason, old_secret,
        max(time), sum(folded)
    FROM audit_call WHERE {_RANGE} AND reason <> ALL (%(apart)s) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
_SUM_UNPROVEN = f"""
    INSERT INTO usage_fresh ({_ALIKE}, last_seen, calls)
    SELECT account_id, key_id, api, NULL, credential, '', '', reason, false, max(time), sum(folded)
    FROM audit_call WHERE {_RANGE} AND reason = ANY (%(unproven)s) GROUP BY 1, 2, 3, 5, 8
"""
_SELECT_UNMATCHED = f"""
    SELECT account_id, key_id, api, text(client_address), credential, method, path, query, {outlines.OUTLINE},
        reason, old_secret, max(time), sum(folded)
    FROM audit_call WHERE {_RANGE} AND reason = ANY (%(before_route)s) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""
_CONFLICT = (
    "key_id, api, client_address, credential, hashtextextended(route, 0), module, reason, old_secret"  # audit_usage_key
)
_SAVE = f"""
    WITH grouped AS (
        SELECT {_ALIKE}, max(last_seen) AS last_seen, sum(calls)::bigint AS calls FROM usage_fresh GROUP BY {_ALIKE}
    ), saved AS (
        INSERT INTO audit_usage ({_ALIKE}, last_seen, calls)
        SELECT {_ALIKE}, last_seen, CASE WHEN %(counted)s THEN calls ELSE 0 END FROM grouped
        ON CONFLICT ({_CONFLICT}) DO UPDATE SET calls = audit_usage.calls + excluded.calls,
            last_seen = greatest(audit_usage.last_seen, excluded.last_seen)
        RETURNING id, {_ALIKE}
    )
    INSERT INTO audit_usage_day (day, usage_id, calls)
    SELECT %(day)s, saved.id, grouped.calls
    FROM grouped JOIN saved USING (key_id, api, credential, route, module, reason, old_secret)
    WHERE %(counted)s AND grouped.client_address IS NOT DISTINCT FROM saved.client_address
    ON CONFLICT (day, usage_id) DO UPDATE SET calls = audit_usage_day.calls + excluded.calls
"""
_SUBTRACT = """
    WITH gone AS (
        DELETE FROM audit_usage_day WHERE day < %s RETURNING usage_id, calls
    ), summed AS (
        SELECT usage_id, sum(calls)::bigint AS calls FROM gone GROUP BY usage_id
    )
    UPDATE audit_usage u SET calls = u.calls - summed.calls FROM summed WHERE u.id = summed.usage_id
"""


# A version without outlines may have summed last: then they begin anew.
_ADVANCE = """
    UPDATE audit_usage_state SET until = %(until)s, paths_until = %(until)s,
        paths_since = CASE WHEN until IS NULL THEN '-infinity' WHEN paths_until = until THEN paths_since
            ELSE %(since)s END
"""


def roll_up(match_route: MatchRoute) -> int:
    """Add every sealed hour that is not summed yet, each day in a transaction of its own; return how many hours were
    added. Safe at any time from any node.

    `match_route` finds the route of calls that were refused before routes were looked at.
    """
    sealed, added = get_sealed_until(), timedelta()
    while sealed and (more := _add_next(sealed, match_route)):
        added += more
    return added // timedelta(hours=1)


def rebuild(match_route: MatchRoute) -> int:
    """Empty the roll-ups and sum all sealed hours that the log still has; return how many hours were added."""
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        _lock_state(cursor)
        cursor.execute("TRUNCATE audit_usage, audit_usage_day, audit_usage_path")
        cursor.execute("UPDATE audit_usage_state SET until = NULL")
    return roll_up(match_route)


def drop_before(cursor: Any, end: datetime) -> None:
    """Delete what is known only from calls before `end`, the start of a month; call it as the months before are
    dropped."""
    _lock_state(cursor)
    cursor.execute(_SUBTRACT, [end.date()])
    cursor.execute("DELETE FROM audit_usage WHERE last_seen < %s", [end])


def get_period_start(until: datetime) -> datetime:
    """Return the start of the days whose calls are counted when the log has been summed up to `until`."""
    return until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - PERIOD


def _lock_state(cursor: Any) -> datetime | None:
    """Lock the roll-ups until the commit, and return up to when the log was summed."""
    cursor.execute("INSERT INTO audit_usage_state DEFAULT VALUES ON CONFLICT DO NOTHING")
    cursor.execute("SELECT until FROM audit_usage_state FOR UPDATE")
    (until,) = cursor.fetchone()
    return until and until.astimezone(UTC)


def _add_next(sealed: datetime, match_route: MatchRoute) -> timedelta:
    """Add the time to the end of the day, or to `sealed`; return how much it is."""
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        lift_time_limits(cursor)
        since = _lock_state(cursor) or _get_first_hour(cursor)
        if since is None or since >= sealed:
            return timedelta()
        day = since.replace(hour=0, minute=0, second=0, microsecond=0)
        until = min(day + DAY, sealed)
        cursor.execute(_CREATE)
        values: dict[str, Any] = {"since": since, "until": until}
        values |= {"unproven": list(UNPROVEN), "before_route": list(BEFORE_ROUTE)}
        cursor.execute(_SUM, values | {"apart": [*UNPROVEN, *BEFORE_ROUTE]})
        cursor.execute(_SUM_UNPROVEN, values)
        outlines.collect(cursor, LOGGED_ROUTE, _RANGE, values | {"apart": [*FOR_WHAT_WAS_SENT, *BEFORE_ROUTE]})
        _copy_matched(cursor, values, match_route)
        cursor.execute("ANALYZE usage_fresh")
        # Days that are over before the counted ones only tell when something was last seen.
        cursor.execute(_SAVE, {"day": day.date(), "counted": day >= get_period_start(sealed)})
        cursor.execute(_SUBTRACT, [get_period_start(until).date()])
        outlines.save(cursor, day.date(), get_period_start(until).date())
        cursor.execute(_ADVANCE, {"since": since, "until": until})
    return until - since


def _get_first_hour(cursor: Any) -> datetime | None:
    cursor.execute("SELECT date_trunc('hour', min(time), 'UTC') FROM audit_call")
    (first,) = cursor.fetchone()
    return first and first.astimezone(UTC)


def _copy_matched(cursor: Any, values: dict[str, Any], match_route: MatchRoute) -> None:
    """Copy the calls that were refused before routes are looked at, with the route that their path matches."""
    summed: dict[tuple[Any, ...], tuple[datetime, int]] = {}
    called: set[tuple[str, str, str]] = set()
    with connections["maintenance"].chunked_cursor() as rows:
        rows.execute(_SELECT_UNMATCHED, values)
        for *identity, method, path, query, outline, reason, old_secret, last_seen, calls in rows:
            api = identity[2]
            route, module = match_route(api, method, path, query)
            called.add((api, route, outline))
            group = (*identity, route, module, reason, old_secret)
            last, count = summed.get(group, (last_seen, 0))
            summed[group] = max(last, last_seen), count + calls
    with cursor.copy(f"COPY usage_fresh ({_ALIKE}, last_seen, calls) FROM STDIN") as copy:
        for group, sums in summed.items():
            copy.write_row((*group, *sums))
    outlines.add(cursor, called)
