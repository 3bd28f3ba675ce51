"""Checks every event of the trail: its MAC, its place in the chain, and the columns that pages read beside its body.

In one pass of COPY, in nearly constant memory: what a million events go through is few steps for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from struct import Struct

from psycopg import Cursor

from audit import chain
from audit.coverage import GENERATED
from audit.verdict import Problem, Verdict

HEAD = "SELECT seq, mac FROM audit_head WHERE chain = 1"
# How a body begins and ends if it says what the generated columns hold; JSON is escaped alike here and in audit.chain.
BEGINS = """
    concat('{"account_id":', coalesce(account_id::text, 'null'), ',"actor":{"id":', to_json(actor_id),
        ',"kind":', to_json(actor_kind), ',"label":', to_json(actor),
        '},"address":', coalesce(to_json(abbrev(address))::text, 'null'), ',')
"""
ENDS = """
    concat(',"event":', to_json(name), ',"number":' || number,
        ',"request_id":', coalesce(to_json(request_id)::text, 'null'), ',"target":',
        CASE WHEN target_id IS NULL AND target_kind IS NULL AND target IS NULL THEN 'null' ELSE
            concat('{"id":', to_json(target_id), ',"kind":', to_json(target_kind), ',"label":', to_json(target), '}')
        END, '}')
"""
# Binary, because text would need unescaping, and two different bodies could then read the same.
ROWS = f"""
    COPY (SELECT seq, key_id, prev, mac, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            starts_with(body, {BEGINS}) AND right(body, length(ends)) = ends, body
          FROM audit_event, LATERAL (SELECT {ENDS}) AS tail (ends)
          WHERE seq > %d ORDER BY seq) TO STDOUT (FORMAT binary)
"""
# Those of these events whose columns are not what their bodies say, and which columns.
DIFFERENT = """
    SELECT seq, {differs} FROM (
        SELECT *, body::jsonb AS j FROM audit_event WHERE seq = ANY(%s) OFFSET 0
    ) AS event ORDER BY seq
"""
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
# Number of columns; then the length of each, and its value; the last is the length of the body, which follows.
ROW = Struct(">h i q i i i 32s i 32s i 27s i ? i")
SHAPE = (7, 8, 4, 32, 32, 27, 1)
BATCH = 10_000


class _Broken(Exception):
    """Leaves the loop: COPY can only be left early by an exception."""


def check_chain(
    cursor: Cursor,
    keys: Mapping[int, bytes],
    anchors: Mapping[int, bytes],
    known: Verdict,
    accepted: Collection[str] = (),
) -> Verdict:
    """Check what comes after `known` against the keys, the head and the anchors, up to the first problem whose key is
    not in `accepted`; then the columns of what was good so far."""
    cursor.execute(HEAD)
    head = cursor.fetchone()
    walk = _Walk(keys, anchors, known, accepted)
    try:
        with cursor.connection.transaction():
            walk.run(cursor)
            walk.end(head)
        problems: tuple[Problem, ...] = ()
    except _Broken as broken:
        problems = broken.args
    verdict = Verdict(walk.last, walk.prev or b"", problems)
    return _check_columns(cursor, walk.unlike, verdict)


class _Walk:
    """`last` is the number of the last good event and `prev` its MAC, None after one whose MAC cannot be told."""

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
        # Events whose columns did not read as their bodies at a glance.
        self.unlike: list[int] = []

    def fault(self, text: str, row: bytes = b"") -> None:
        problem = Problem(text, lasting=True, evidence=hashlib.sha256(row).hexdigest() if row else "")
        if problem.key not in self.accepted:
            raise _Broken(problem)

    def end(self, head: tuple[int, bytes] | None) -> None:
        last = self.last
        if head is None:
            self.fault("the chain's head is missing")
        elif head[0] > last:
            self.fault(f"event {last + 1} is missing: the chain's head stands at {head[0]}")
        elif head[0] < last:
            self.fault(f"event {head[0] + 1} is missing: the chain was good to event {last} before")
        elif self.prev is not None and bytes(head[1]) != self.prev:
            self.fault(f"event {head[0]} is not what the chain's head says of it", bytes(head[1]))
        if beyond := sorted(seq for seq in self.anchors if seq > last):
            self.fault(f"event {last + 1} is missing: the anchor knows event {beyond[0]}")

    def run(self, cursor: Cursor) -> None:
        keys, fault = self.keys, self.fault
        unpack, size, mac_of, anchors, anchored = ROW.unpack_from, ROW.size, chain.mac, self.anchors, set(self.anchors)
        first, unlike = True, self.unlike.append
        with cursor.copy((ROWS % self.last).encode()) as copy:
            for message in copy:
                row = bytes(message)
                if first:
                    row, first = row.removeprefix(SIGNATURE), False
                last, prev = self.last, self.prev
                if len(row) < size:
                    if row in (b"", END):
                        continue
                    fault(f"event {last + 1} has columns of wrong lengths", row)
                    self.last, self.prev = last + 1, None
                    continue
                columns, of_seq, seq, of_key, key_id, of_prev, prev_told, of_mac, mac, of_at, at, of_alike, alike, _ = (
                    unpack(row)
                )
                if seq != last + 1:
                    fault(f"event {last + 1} is missing: after event {last} comes event {seq}")
                    prev = None
                if (columns, of_seq, of_key, of_prev, of_mac, of_at, of_alike) != SHAPE:
                    fault(f"event {seq} has columns of wrong lengths", row)
                    self.last, self.prev = seq, None
                    continue
                if prev_told != prev and prev is not None:
                    fault(f"event {seq} does not follow from the one before it", row)
                if key_id not in keys:
                    fault(f"event {seq} is under key {key_id}, which AUDIT_KEYS does not have", row)
                elif mac_of(keys[key_id], prev_told, b"%d" % seq, at, row[size:]) != mac:
                    fault(f"event {seq} is not as it was written", row)
                    self.last, self.prev = seq, mac
                    continue
                if seq in anchored and anchors[seq] != mac:
                    fault(f"event {seq} is not the one that the anchor knows", row)
                if not alike:
                    unlike(seq)
                self.last, self.prev = seq, mac


def _check_columns(cursor: Cursor, unlike: list[int], verdict: Verdict) -> Verdict:
    """Compare these events' columns with their bodies as the database itself reads them."""
    differs = "ARRAY(SELECT c FROM (VALUES {}) AS v (c, d) WHERE d)".format(
        ", ".join(f"('{name}', {name} IS DISTINCT FROM ({expression}))" for name, expression in GENERATED.items())
    )
    for first in range(0, len(unlike), BATCH):
        batch = [seq for seq in unlike[first : first + BATCH] if seq <= verdict.events]
        cursor.execute(DIFFERENT.format(differs=differs).encode(), [batch])
        for seq, columns in cursor.fetchall():
            if columns:
                shown = f"event {seq} is shown with another {', '.join(columns)} than was written"
                return Verdict(seq - 1, b"", (Problem(shown), *verdict.problems))
    return verdict
