"""Verify the trail against its keys, its head and anchors; the database's objects; then the API log and its rollups
against the seals, and the digests.

All over one snapshot, in constant memory, as the owner's role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import psycopg
from django.db import connection
from psycopg import Cursor

from audit.calls.seal_check import LogCheck
from audit.digests.check import check_digests
from audit.trail.chain_check import check_chain
from audit.trail.database_objects import check_objects
from audit.trail.verdict import BEGINNING, MAX_PROBLEMS, Problem, Verdict
from core.replica import open_snapshot


def verify(
    keys: Mapping[int, bytes],
    anchors: Mapping[int, bytes],
    *,
    known: Verdict = BEGINNING,
    calls: bool = True,
    accepted: Collection[str] = (),
) -> Verdict:
    """Return the verdict on the events after `known`. `keys` are the trail's keys by number, `anchors` MACs kept
    elsewhere by event. With `calls`, the API log and the digests are verified too, which takes as long as exporting
    them. Problems whose keys are in `accepted` are ignored."""
    role = get_application_role()
    with open_snapshot(seconds=0, using="maintenance") as cursor:
        return verify_snapshot(cursor, role, keys, anchors, known=known, calls=calls, accepted=accepted)


def verify_snapshot(
    cursor: Cursor,
    role: str,
    keys: Mapping[int, bytes],
    anchors: Mapping[int, bytes],
    *,
    known: Verdict = BEGINNING,
    calls: bool = True,
    accepted: Collection[str] = (),
) -> Verdict:
    """Return the same verdict over the cursor's snapshot; `role` is the application's."""
    objects = check_objects(cursor, role)
    try:
        with cursor.connection.transaction():
            verdict = check_chain(cursor, keys, anchors, known, accepted)
            # The seals are known only from a valid chain.
            if calls and not verdict.problems:
                log = LogCheck(cursor, accepted)
                log.run()
                problems = (
                    *log.problems,
                    *(problem for problem in check_digests(cursor) if problem.key not in accepted),
                )
                verdict = replace(verdict, problems=problems, seals=log.seals, unproven=log.unproven)
    except psycopg.Error as error:
        # Altered objects may make the tables unreadable.
        if not objects:
            raise
        unread = Problem(f"the trail or the log cannot be read: {str(error).splitlines()[0]}")
        verdict = Verdict(0, b"", (unread,))
    return replace(verdict, problems=(*verdict.problems, *objects)[:MAX_PROBLEMS])


def get_application_role() -> str:
    """Return the role of the `default` connection, as the database sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (role,) = cursor.fetchone()
    return str(role)
