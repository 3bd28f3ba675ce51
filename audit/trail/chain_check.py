"""Verify every event of the trail: its MAC, its place in the chain, and the generated columns beside its body.

One pass in nearly constant memory, with few steps for each event, because there may be millions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Mapping
from contextlib import closing
from typing import Any, cast

from psycopg import Cursor

from audit.trail import chain
from audit.trail.coverage import GENERATED
from audit.trail.verdict import Problem, Verdict

HEAD = "SELECT seq, mac FROM audit_head WHERE chain = 1"
# How a body begins and ends if it agrees with the generated columns and none of them holds what JSON escapes.
BEGINS = """
    '{"account_id":' || coalesce(account_id::text, 'null') || ',"actor":{"id":"' || actor_id
        || '","kind":"' || actor_kind || '","label":"' || actor
        || '"},"address":' || coalesce('"' || abbrev(address) || '"', 'null') || ','
"""
ENDS = """
    ',"event":"' || name || coalesce('","number":' || number, '"')
        || ',"request_id":' || coalesce('"' || request_id || '"', 'null') || ',"target":'
        || CASE WHEN coalesce(target_id, target_kind, target) IS NULL THEN 'null}'
            ELSE '{"id":"' || target_id || '","kind":"' || target_kind || '","label":"' || target || '"}}' END
"""
# Without a quote or a backslash in a column, the text above is the JSON of these columns; bodies hold no control
# characters. Compared as bytes, because PostgreSQL counts characters of UTF-8 from the beginning each time. Whatever is
# not alike at first sight, or NULL here, is compared by _check_columns.
TEXTS = """
    actor_id || actor_kind || actor || name || coalesce(request_id, '')
        || coalesce(target_id || target_kind || target, '')
"""
ALIKE = """
    substr(bytes, 1, octet_length(begins)) = begins
    AND substr(bytes, 1 + octet_length(bytes) - octet_length(ends)) = ends
    AND strpos(texts, '"') = 0 AND strpos(texts, chr(92)) = 0
"""
# NULL never occurs in the chain: as an empty value its MAC is wrong. OFFSET 0 computes each text once: without it the
# planner would repeat them wherever ALIKE names them.
ROWS = f"""
    SELECT coalesce(seq, 0), key_id, coalesce(prev, ''), coalesce(mac, ''), coalesce(at, ''), coalesce(bytes, ''),
        coalesce({ALIKE}, false)
    FROM (
        SELECT seq, key_id, prev, mac,
            convert_to(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8') AS at,
            convert_to(body, 'UTF8') AS bytes, convert_to({BEGINS}, 'UTF8') AS begins,
            convert_to({ENDS}, 'UTF8') AS ends, {TEXTS} AS texts
        FROM audit_event %s ORDER BY audit_event.seq OFFSET 0
    ) AS event ORDER BY event.seq
"""
# The names of the columns that differ from the body, for each of these events.
DIFFERENT = """
    SELECT seq, {differs} FROM (
        SELECT *, body::jsonb AS j FROM audit_event WHERE seq = ANY(%s) OFFSET 0
    ) AS event ORDER BY seq
"""
BATCH_SIZE = 10_000
# No more than a socket's buffer holds, so that PostgreSQL computes the next rows while these are checked.
ROWS_AT_A_TIME = 250


class _Broken(Exception):
    """Ends the walk with its problem; later rows are not read."""


class _UnknownKeyRun:
    """Consecutive events under a key that is not in the ring: one problem, however many there are, whose evidence is a
    hash of all of them. `before` is the walk's place, MAC and number of unlike events before the first."""

    def __init__(self, key_id: int, first: int, before: tuple[int, bytes | None, int]) -> None:
        self.key_id, self.first, self.last, self.before = key_id, first, first, before
        self.hash = hashlib.sha256()

    def add(self, row: tuple[Any, ...]) -> None:
        self.last = row[0]
        self.hash.update(repr(row).encode())

    def __str__(self) -> str:
        alone = self.first == self.last
        events = f"event {self.first} is" if alone else f"events {self.first} to {self.last} are"
        return f"{events} under key {self.key_id}, which AUDIT_KEYS does not have"


def check_chain(
    cursor: Cursor,
    keys: Mapping[int, bytes],
    anchors: Mapping[int, bytes],
    known: Verdict,
    accepted: Collection[str] = (),
) -> Verdict:
    """Verify the events after `known` against the keys, the chain's head and the anchors, up to the first problem whose
    key is not in `accepted`; then the columns of the events that were good. Return the verdict."""
    cursor.execute(HEAD)
    head = cursor.fetchone()
    walk = _ChainWalk(keys, anchors, known, accepted)
    try:
        with cursor.connection.transaction():
            walk.run(cursor)
            walk.end_unknown_key_run()
            walk.check_head(head)
        problems: tuple[Problem, ...] = ()
    except _Broken as broken:
        problems = broken.args
    verdict = Verdict(walk.last, walk.prev or b"", problems)
    return _check_columns(cursor, walk.unlike, verdict)


class _ChainWalk:
    """A walk along the chain. `last` is the place of the last good event, `prev` its MAC; None after a gap, when the
    next event's predecessor is unknown. `unlike` lists events whose columns must still be compared with their
    bodies."""

    def __init__(
        self,
        keys: Mapping[int, bytes],
        anchors: Mapping[int, bytes],
        known: Verdict,
        accepted: Collection[str],
    ) -> None:
        self.keys, self.anchors, self.accepted = keys, anchors, accepted
        self.last: int = known.events
        self.prev: bytes | None = known.mac
        self.unlike: list[int] = []
        self.unknown: _UnknownKeyRun | None = None

    def end_unknown_key_run(self) -> None:
        """Report the events under a key that is not in the ring, if some were read; go back before them if the problem
        is not accepted."""
        run, self.unknown = self.unknown, None
        if run is None:
            return
        try:
            self.fault(str(run), (run.hash.hexdigest(),))
        except _Broken:
            self.last, self.prev, unlike = run.before
            del self.unlike[unlike:]
            raise

    def fault(self, text: str, row: tuple[object, ...] = ()) -> None:
        """Raise _Broken with this problem, unless it is accepted."""
        self.end_unknown_key_run()
        evidence = hashlib.sha256(repr(row).encode()).hexdigest() if row else ""
        problem = Problem(text, lasting=True, evidence=evidence)
        if problem.key not in self.accepted:
            raise _Broken(problem)

    def check_head(self, head: tuple[int, bytes] | None) -> None:
        """Check the last event against the chain's head (place and MAC) and the anchors."""
        last = self.last
        if head is None:
            self.fault("the chain's head is missing")
        elif head[0] > last:
            self.fault(f"event {last + 1} is missing: the chain's head is event {head[0]}")
        elif head[0] < last:
            self.fault(f"event {head[0] + 1} is missing: the chain was good to event {last} before")
        elif self.prev is not None and bytes(head[1]) != self.prev:
            self.fault(f"event {head[0]} is not what the chain's head says of it", (bytes(head[1]),))
        if beyond := sorted(seq for seq in self.anchors if seq > last):
            self.fault(f"event {last + 1} is missing: the anchor knows event {beyond[0]}")

    def run(self, cursor: Cursor) -> None:
        """Check each event after `last` in the order of the chain."""
        anchors, anchored = self.anchors, set(self.anchors)
        mac_under = {key_id: chain.build_mac_function(key) for key_id, key in self.keys.items()}
        unlike, fault = self.unlike.append, self.fault
        # A full verification includes events numbered 0 or below, which cannot be part of the chain.
        query = ROWS % (f"WHERE seq > {self.last}" if self.last else "")
        rows = Cursor(cursor.connection).stream(query.encode(), binary=True, size=ROWS_AT_A_TIME)
        # Closing the generator at once leaves the connection usable after a problem.
        with closing(cast("Generator[tuple[Any, ...]]", rows)):
            for row in rows:
                seq, key_id, stored_prev, mac, at, body, alike = row
                if self.unknown is not None and self.unknown.key_id != key_id:
                    self.end_unknown_key_run()
                last, prev = self.last, self.prev
                if seq != last + 1:
                    if seq < 1:
                        fault(f"event {seq} is not part of the chain, which begins with event 1", row)
                        continue
                    fault(f"event {last + 1} is missing: after event {last} comes event {seq}")
                    prev = None
                if stored_prev != prev and prev is not None:
                    fault(f"event {seq} does not follow from the one before it", row)
                if key_id not in mac_under:
                    if self.unknown is None:
                        self.unknown = _UnknownKeyRun(key_id, seq, (last, self.prev, len(self.unlike)))
                    self.unknown.add(row)
                elif mac_under[key_id](stored_prev, b"%d" % seq, at, body) != mac:
                    fault(f"event {seq} is not as it was written", row)
                    self.last, self.prev = seq, mac
                    continue
                if seq in anchored and anchors[seq] != mac:
                    fault(f"event {seq} is not the one that the anchor knows", row)
                if not alike:
                    unlike(seq)
                self.last, self.prev = seq, mac


def _check_columns(cursor: Cursor, unlike: list[int], verdict: Verdict) -> Verdict:
    """Compare these events' columns with their bodies in PostgreSQL; return the verdict with the first difference
    added."""
    differs = "ARRAY(SELECT c FROM (VALUES {}) AS v (c, d) WHERE d)".format(
        ", ".join(f"('{name}', {name} IS DISTINCT FROM ({expression}))" for name, expression in GENERATED.items())
    )
    for first in range(0, len(unlike), BATCH_SIZE):
        batch = [seq for seq in unlike[first : first + BATCH_SIZE] if seq <= verdict.events]
        cursor.execute(DIFFERENT.format(differs=differs).encode(), [batch])
        for seq, columns in cursor.fetchall():
            if columns:
                text = f"event {seq} is shown with another {', '.join(columns)} than was written"
                return Verdict(seq - 1, b"", (Problem(text), *verdict.problems))
    return verdict
