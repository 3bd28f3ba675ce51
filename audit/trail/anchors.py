"""Read and write anchors: MACs of events that were noted earlier and kept outside the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.trail import checkpoints
from core import signed_json


class BadAnchor(ValueError):
    """The file is not a valid anchor file, or a checkpoint in it is not signed with a known key."""


def read_anchors(path: Path, public_keys: Collection[Ed25519PublicKey] = ()) -> dict[int, bytes]:
    """Return MACs by event number. Each line is JSON: {"seq": 12, "mac": "64 hex digits"}; other names are ignored. A
    line with a signature is a checkpoint, which must be signed with one of `public_keys`. Raise BadAnchor."""
    anchors = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            anchor = json.loads(line)
            seq, mac = int(anchor["seq"]), bytes.fromhex(anchor["mac"])
        except (ValueError, TypeError, KeyError) as error:
            raise BadAnchor(f'line {number} is not like {{"seq": 12, "mac": "64 hex digits"}}: {line[:200]}') from error
        if signed_json.SIGNATURE in anchor:
            _check_signature(anchor, number, public_keys)
        anchors[seq] = mac
    if not anchors:
        raise BadAnchor("it holds no anchor")
    return anchors


def format_anchor(seq: int, mac: bytes) -> str:
    """Return the anchor as a line of an anchor file, without its end."""
    return json.dumps({"seq": seq, "mac": mac.hex()})


def _check_signature(anchor: Mapping[str, Any], number: int, public_keys: Collection[Ed25519PublicKey]) -> None:
    problem = "there is no key to check its signature with"
    for key in public_keys:
        try:
            return signed_json.verify(anchor, kind=checkpoints.KIND, public_key=key)
        except signed_json.BadSignature as error:
            problem = str(error)
    raise BadAnchor(f"line {number} is a checkpoint, but {problem}")
