"""Checks the whole trail against its keys, its head, and anchors kept elsewhere, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from psycopg import Cursor

from audit import chain
from audit.snapshot import snapshot

HEAD = "SELECT seq, mac FROM audit_head WHERE chain = 1"
# Binary, because text would need unescaping, and two different bodies could then read the same.
ROWS = """
    COPY (SELECT seq, key_id, prev, mac, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), body
          FROM audit_event ORDER BY seq) TO STDOUT (FORMAT binary)
"""
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
# Number of columns; then the length of each, and its value; the last is the length of the body, which follows.
ROW = Struct(">h i q i i i 32s i 32s i 27s i")
SHAPE = (6, 8, 4, 32, 32, 27)


class BadAnchor(ValueError):
    """The anchor file cannot be read as one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`events` is how many were good before `problem`, or all of them when there is none; `mac` is the last one's."""

    events: int
    mac: bytes
    problem: str | None = None


class _Broken(Exception):
    """Leaves the loop: COPY can only be left early by an exception."""


def verify(keys: Mapping[int, bytes], anchors: Mapping[int, bytes]) -> Verdict:
    """The first bad event, if any. `anchors` are MACs known from outside, by event number."""
    try:
        with snapshot(seconds=0) as cursor:
            cursor.execute(HEAD)
            head = cursor.fetchone()
            last, mac = _rows(cursor, keys, anchors)
    except _Broken as broken:
        return Verdict(*broken.args)
    problem = None
    if head is None:
        problem = "the chain's head is missing"
    elif head[0] > last:
        problem = f"event {last + 1} is missing: the chain's head stands at {head[0]}"
    elif (head[0], bytes(head[1])) != (last, mac):
        problem = f"event {head[0]} is not what the chain's head says of it"
    elif beyond := sorted(seq for seq in anchors if seq > last):
        problem = f"event {last + 1} is missing: the anchor knows event {beyond[0]}"
    return Verdict(last, mac, problem)


def read_anchors(path: Path) -> dict[int, bytes]:
    """A line of JSON for each anchor: {"seq": 12, "mac": "64 hex digits"}; other names are not looked at."""
    anchors = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            anchor = json.loads(line)
            seq, mac = int(anchor["seq"]), bytes.fromhex(anchor["mac"])
        except (ValueError, TypeError, KeyError) as error:
            raise BadAnchor(f'line {number} is not like {{"seq": 12, "mac": "64 hex digits"}}: {line[:200]}') from error
        anchors[seq] = mac
    if not anchors:
        raise BadAnchor("it holds no anchor")
    return anchors


def anchor_line(verdict: Verdict) -> str:
    """What to keep elsewhere, so that a trail cut short or written anew is found."""
    return json.dumps({"seq": verdict.events, "mac": verdict.mac.hex()})


def _rows(cursor: Cursor, keys: Mapping[int, bytes], anchors: Mapping[int, bytes]) -> tuple[int, bytes]:
    """The loop that a million events go through: few steps for each. Returns the last number and MAC."""
    last, prev = 0, chain.FIRST_PREV
    unpack, size, mac_of, anchored = ROW.unpack_from, ROW.size, chain.mac, set(anchors)
    with cursor.copy(ROWS) as copy:
        for message in copy:
            row = bytes(message)
            if last == 0:
                row = row.removeprefix(SIGNATURE)
            if len(row) < size:
                if row in (b"", END):
                    continue
                raise _Broken(last, prev, f"event {last + 1} has columns of wrong lengths")
            columns, of_seq, seq, of_key, key_id, of_prev, prev_told, of_mac, mac, of_at, at, _ = unpack(row)
            if seq != last + 1:
                raise _Broken(last, prev, f"event {last + 1} is missing: after event {last} comes event {seq}")
            if (columns, of_seq, of_key, of_prev, of_mac, of_at) != SHAPE:
                raise _Broken(last, prev, f"event {seq} has columns of wrong lengths")
            if prev_told != prev:
                raise _Broken(last, prev, f"event {seq} does not follow from the one before it")
            if key_id not in keys:
                raise _Broken(last, prev, f"event {seq} is under key {key_id}, which AUDIT_KEYS does not have")
            if mac_of(keys[key_id], prev, b"%d" % seq, at, row[size:]) != mac:
                raise _Broken(last, prev, f"event {seq} is not as it was written")
            if seq in anchored and anchors[seq] != mac:
                raise _Broken(last, prev, f"event {seq} is not the one that the anchor knows")
            last, prev = seq, mac
    return last, prev
