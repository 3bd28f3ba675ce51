"""Checks the trail against its keys, its head and anchors kept elsewhere, then the API log against its seals.

In constant memory, over one snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import Cursor

from audit import chain, checkpoints, retention, seals, signing
from audit.chain import instant
from audit.snapshot import snapshot

HEAD = "SELECT seq, mac FROM audit_head WHERE chain = 1"
# Binary, because text would need unescaping, and two different bodies could then read the same.
ROWS = """
    COPY (SELECT seq, key_id, prev, mac, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), body
          FROM audit_event WHERE seq > {after} ORDER BY seq) TO STDOUT (FORMAT binary)
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
    """`events` is the last event that is good, with its `mac`, if anything is wrong the last before `problem`; `seals`
    is how many seals the log was held against."""

    events: int
    mac: bytes
    problem: str | None = None
    seals: int = 0


BEGINNING = Verdict(0, chain.FIRST_PREV)


class _Broken(Exception):
    """Leaves the loop: COPY can only be left early by an exception."""


def verify(
    keys: Mapping[int, bytes], anchors: Mapping[int, bytes], *, known: Verdict = BEGINNING, calls: bool = True
) -> Verdict:
    """The first bad event or seal, if any. `anchors` are MACs known from outside, by event number; what comes after
    `known` is looked at. With `calls`, the log's rows are read too, which takes as long as exporting them."""
    with snapshot(seconds=0) as cursor:
        verdict = _chain(cursor, keys, anchors, known)
        return _calls(cursor, verdict) if calls and not verdict.problem else verdict


def _chain(cursor: Cursor, keys: Mapping[int, bytes], anchors: Mapping[int, bytes], known: Verdict) -> Verdict:
    cursor.execute(HEAD)
    head = cursor.fetchone()
    try:
        with cursor.connection.transaction():
            last, mac = _rows(cursor, keys, anchors, known)
    except _Broken as broken:
        return Verdict(*broken.args)
    problem = None
    if head is None:
        problem = "the chain's head is missing"
    elif head[0] > last:
        problem = f"event {last + 1} is missing: the chain's head stands at {head[0]}"
    elif head[0] < last:
        problem = f"event {head[0] + 1} is missing: the chain was good to event {last} before"
    elif bytes(head[1]) != mac:
        problem = f"event {head[0]} is not what the chain's head says of it"
    elif beyond := sorted(seq for seq in anchors if seq > last):
        problem = f"event {last + 1} is missing: the anchor knows event {beyond[0]}"
    return Verdict(last, mac, problem)


def _calls(cursor: Cursor, verdict: Verdict) -> Verdict:
    """The log's rows against the chain, of which is known by now that it is good."""
    kept_from, until, checked = retention.dropped_until(), None, 0
    for seq, sealed in seals.seals():
        if until is not None and sealed.since != until:
            problem = f"event {seq} seals the API log from {instant(sealed.since)}, the one before to {instant(until)}"
            return Verdict(verdict.events, verdict.mac, problem, checked)
        until = sealed.until
        if kept_from is not None and until <= kept_from:
            continue
        now = seals.read(cursor, sealed.since, until)
        if now != sealed:
            span = f"from {instant(sealed.since)} to {instant(until)}"
            told = f"{sealed.rows} calls" if now.rows != sealed.rows else "them as they were written"
            problem = f"the API log {span} is not what event {seq} sealed: it has {now.rows} calls, not {told}"
            return Verdict(verdict.events, verdict.mac, problem, checked)
        checked += 1
    return Verdict(verdict.events, verdict.mac, None, checked)


def read_anchors(path: Path, public_keys: Collection[Ed25519PublicKey] = ()) -> dict[int, bytes]:
    """A line of JSON for each anchor: {"seq": 12, "mac": "64 hex digits"}; other names are not looked at. One that is
    a checkpoint must be signed with one of the keys."""
    anchors = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            anchor = json.loads(line)
            seq, mac = int(anchor["seq"]), bytes.fromhex(anchor["mac"])
        except (ValueError, TypeError, KeyError) as error:
            raise BadAnchor(f'line {number} is not like {{"seq": 12, "mac": "64 hex digits"}}: {line[:200]}') from error
        if signing.SIGNATURE in anchor:
            _check_signature(anchor, number, public_keys)
        anchors[seq] = mac
    if not anchors:
        raise BadAnchor("it holds no anchor")
    return anchors


def _check_signature(anchor: Mapping[str, Any], number: int, public_keys: Collection[Ed25519PublicKey]) -> None:
    problem = "there is no key to check its signature with"
    for key in public_keys:
        try:
            return signing.check(anchor, kind=checkpoints.KIND, public_key=key)
        except signing.BadSignature as error:
            problem = str(error)
    raise BadAnchor(f"line {number} is a checkpoint, but {problem}")


def anchor_line(verdict: Verdict) -> str:
    """What to keep elsewhere, so that a trail cut short or written anew is found."""
    return json.dumps({"seq": verdict.events, "mac": verdict.mac.hex()})


def _rows(cursor: Cursor, keys: Mapping[int, bytes], anchors: Mapping[int, bytes], known: Verdict) -> tuple[int, bytes]:
    """The loop that a million events go through: few steps for each. Returns the last number and MAC."""
    last, prev, first = known.events, known.mac, True
    unpack, size, mac_of, anchored = ROW.unpack_from, ROW.size, chain.mac, set(anchors)
    with cursor.copy(ROWS.format(after=last)) as copy:
        for message in copy:
            row = bytes(message)
            if first:
                row, first = row.removeprefix(SIGNATURE), False
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
