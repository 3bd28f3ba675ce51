"""Checks the digests that are kept against the chain: those of each pass are the ones that its event hashed."""

from __future__ import annotations

from psycopg import Cursor

from audit.coverage import DIGEST
from audit.verdict import MAX_PROBLEMS, Problem

# `until` is a pass's own. What is not a document is as good as one whose columns differ.
DIFFERENT = f"""
    WITH kept AS (
        SELECT until, count(*) AS digests,
            encode(sha256(string_agg(sha256(convert_to(document, 'UTF8')), ''::bytea ORDER BY account_id)), 'hex')
                AS sha256,
            bool_and(({", ".join(DIGEST)}) IS NOT DISTINCT FROM ({", ".join(DIGEST.values())})) AS stated
        FROM (SELECT *, CASE WHEN document IS JSON OBJECT THEN document::jsonb ELSE '{{}}' END AS j FROM audit_digest) d
        GROUP BY until
    ), made AS (
        SELECT seq, (data ->> 'until')::timestamptz AS until, (data ->> 'digests')::bigint AS digests,
            data ->> 'sha256' AS sha256
        FROM (SELECT seq, body::jsonb -> 'data' AS data FROM audit_event
            WHERE account_id IS NULL AND name = 'digests.made') event
    )
    SELECT to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), made.seq, kept.digests, kept.stated
    FROM made FULL JOIN kept USING (until)
    WHERE kept.stated IS NOT TRUE OR (made.digests, made.sha256) IS DISTINCT FROM (kept.digests, kept.sha256)
    ORDER BY until LIMIT {MAX_PROBLEMS}
"""


def check_digests(cursor: Cursor) -> list[Problem]:
    """The chain and its columns must be known to be good."""
    cursor.execute(DIFFERENT.encode())
    problems = []
    for until, seq, digests, stated in cursor.fetchall():
        if seq is None:
            told = "are in no event"
        elif not digests:
            told = f"are missing, which event {seq} knows"
        elif not stated:
            told = "are not in the columns what their documents say"
        else:
            told = f"are not those that event {seq} knows"
        problems.append(Problem(f"the digests until {until} {told}"))
    return problems
