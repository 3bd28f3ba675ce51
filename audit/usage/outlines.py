"""Keep the outlines of the paths that each route was called with, from which a replay can prove that no call was made
on a path that another route would decide about.

They are collected with the sums of usage, in the same transaction. Of the calls on a route with more than MAX_OUTLINES
nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connections

from core.replica import get_log_database

MAX_OUTLINES = 1_000
# The path with `0` for each segment that has a digit.
OUTLINE = "regexp_replace(path, '/[^/]*[0-9][^/]*', '/0', 'g')"
_HAS_PATHS = "(route = '' OR strpos(route, '{') > 0)"
_CREATE = "CREATE TEMPORARY TABLE outline_fresh (api text, route text, outline text) ON COMMIT DROP"
# What is too much in itself is not inserted first.
_SAVE = f"""
    WITH counted AS (
        SELECT api, route, outline, count(*) OVER (PARTITION BY api, route) AS outlines
        FROM (SELECT DISTINCT api, route, outline FROM outline_fresh WHERE {_HAS_PATHS}) AS each
    )
    INSERT INTO audit_usage_path (api, route, outline, last_day)
    SELECT DISTINCT api, route, CASE WHEN outlines <= %(limit)s AND NOT EXISTS (
        SELECT FROM audit_usage_path p WHERE p.api = counted.api AND p.route = counted.route AND p.outline IS NULL
    ) THEN outline END, %(day)s::date
    FROM counted
    ON CONFLICT (api, hashtextextended(route, 0), hashtextextended(outline, 0))
    DO UPDATE SET last_day = greatest(audit_usage_path.last_day, excluded.last_day)
"""
_EXPIRE = "DELETE FROM audit_usage_path WHERE last_day < %s"
_REPLACE_MANY = """
    WITH many AS (
        SELECT api, route, max(last_day) AS last_day FROM audit_usage_path GROUP BY api, route
        HAVING count(*) > %(limit)s OR (count(*) > 1 AND bool_or(outline IS NULL))
    ), gone AS (
        DELETE FROM audit_usage_path p USING many
        WHERE p.api = many.api AND p.route = many.route AND p.outline IS NOT NULL
    )
    INSERT INTO audit_usage_path (api, route, outline, last_day) SELECT api, route, NULL, last_day FROM many
    ON CONFLICT (api, hashtextextended(route, 0), hashtextextended(outline, 0))
    DO UPDATE SET last_day = greatest(audit_usage_path.last_day, excluded.last_day)
"""
_READ = """
    SELECT api, route, outline FROM audit_usage_path WHERE api = ANY (%(apis)s) AND route = ANY (%(routes)s)
    UNION ALL
    SELECT NULL, NULL, NULL FROM audit_usage_state
    WHERE coalesce(until, %(since)s) >= %(until)s
        AND (until IS NULL OR (paths_until = until AND paths_since <= %(since)s))
"""


def collect(cursor: Any, route: str, calls: str, values: Mapping[str, Any]) -> None:
    """Begin the outlines of one transaction with those of the calls whose route the log names. `route` and `calls` are
    SQL: a call's route, and which calls; `values` has its parameters, and the reasons of those left out as `apart`.
    Nothing is computed of paths that are too many already."""
    cursor.execute(_CREATE)
    cursor.execute(
        f"""
            INSERT INTO outline_fresh (api, route, outline)
            SELECT DISTINCT api, route, CASE WHEN many.api IS NULL THEN {OUTLINE} END FROM (
                SELECT api, {route} AS route, path FROM audit_call WHERE {calls} AND reason <> ALL (%(apart)s)
            ) AS called LEFT JOIN (
                SELECT api, route FROM audit_usage_path WHERE outline IS NULL
            ) AS many USING (api, route)
            WHERE {_HAS_PATHS}
        """,
        values,
    )


def add(cursor: Any, outlines: Iterable[Sequence[str]]) -> None:
    """Add (API, route, outline) of calls whose route was found by their path."""
    with cursor.copy("COPY outline_fresh (api, route, outline) FROM STDIN") as copy:
        for outline in outlines:
            copy.write_row(outline)


def save(cursor: Any, day: date, first_day: date) -> None:
    """Save what was collected of calls of this day, and delete what was not called since `first_day`."""
    cursor.execute(_SAVE, {"day": day, "limit": MAX_OUTLINES})
    # A day later than the sums, because a process may still have those of the day before.
    cursor.execute(_EXPIRE, [first_day - timedelta(days=1)])
    cursor.execute(_REPLACE_MANY, {"limit": MAX_OUTLINES})


class Outlines:
    """What is known of the paths that routes were called with."""

    def __init__(self, rows: Iterable[tuple[str | None, str, str | None]]) -> None:
        self._is_complete = False
        self._found: defaultdict[tuple[str, str], set[str | None]] = defaultdict(set)
        for api, route, outline in rows:
            if api is None:
                self._is_complete = True
            else:
                self._found[api, route].add(outline)

    def get(self, api: str, route: str) -> Collection[str] | None:
        """Return the outlines of the paths of the route; None if they are not known, as of a route without variables,
        whose text names its path."""
        if not self._is_complete or (route and "{" not in route):
            return None
        found = self._found.get((api, route), set())
        return None if None in found else {outline for outline in found if outline is not None}


def read_outlines(apis: Collection[str], routes: Collection[str], since: datetime, until: datetime) -> Outlines:
    """Return the outlines of the calls between these times, those of sums that were read before. Nothing is known if
    the log is being summed anew."""
    with connections[get_log_database()].cursor() as cursor:
        cursor.execute(_READ, {"apis": list(apis), "routes": list(routes), "since": since, "until": until})
        return Outlines(cursor.fetchall())
