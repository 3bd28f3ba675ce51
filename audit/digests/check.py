"""Verify the stored digests against the chain: the event of each pass has their number and the hash of their hashes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg import Cursor

from audit.trail.coverage import DIGEST
from audit.trail.verdict import MAX_PROBLEMS, Problem

MOMENT = """to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# Each pass has an `until` of its own. CONDITION narrows the passes.
DIFFERENT = f"""
    WITH kept AS (
        SELECT until, count(*) AS digests,
            encode(sha256(string_agg(sha256(convert_to(document, 'UTF8')), ''::bytea ORDER BY account_id)), 'hex')
                AS sha256
        FROM audit_digest WHERE CONDITION GROUP BY until
    ), made AS (
        SELECT seq, (data ->> 'until')::timestamptz AS until, (data ->> 'digests')::bigint AS digests,
            data ->> 'sha256' AS sha256
        FROM (SELECT seq, body::jsonb -> 'data' AS data FROM audit_event
            WHERE account_id IS NULL AND name = 'digests.made') event
    )
    SELECT {MOMENT}, made.seq, kept.digests
    FROM (SELECT * FROM made WHERE CONDITION) AS made FULL JOIN kept USING (until)
    WHERE (made.digests, made.sha256) IS DISTINCT FROM (kept.digests, kept.sha256)
    ORDER BY until LIMIT {MAX_PROBLEMS}
"""
# Run only on documents that are known to be genuine: invalid JSON would abort the statement. OFFSET 0 parses each once.
UNSTATED = f"""
    SELECT DISTINCT {MOMENT} FROM (SELECT *, document::jsonb AS j FROM audit_digest OFFSET 0) digest
    WHERE ({", ".join(DIGEST)}) IS DISTINCT FROM ({", ".join(DIGEST.values())}) ORDER BY 1 LIMIT {MAX_PROBLEMS}
"""


def check_digests(cursor: Cursor) -> list[Problem]:
    """Return the problems of the digests. The chain and its columns must have been verified before."""
    problems = check_passes(cursor)
    if not problems:
        cursor.execute(UNSTATED.encode())
        rows = cursor.fetchall()
        problems = [Problem(f"the digests until {until} have columns other than they state") for (until,) in rows]
    return problems


def check_passes(cursor: Any, untils: Collection[datetime] | None = None) -> list[Problem]:
    """Return the problems of the passes that ended at these times, of all passes for None: digests that were added,
    removed or changed since. The chain must have been verified before."""
    statement = DIFFERENT.replace("CONDITION", "true" if untils is None else "until = ANY(%s)")
    cursor.execute(statement, None if untils is None else [list(untils)] * 2)
    problems = []
    for until, seq, digests in cursor.fetchall():
        if seq is None:
            difference = "are in no event"
        elif not digests:
            difference = f"are missing, which event {seq} knows"
        else:
            difference = f"are not those that event {seq} knows"
        problems.append(Problem(f"the digests until {until} {difference}"))
    return problems
