"""Signed checkpoints of the chain's head, to be kept outside the database.

A trail that was truncated, rolled back or rewritten, even with its keys, no longer leads to them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from core import signed_json

KIND = "keyward-checkpoint-1"
HEAD = "SELECT seq, mac, clock_timestamp() AT TIME ZONE 'UTC' FROM audit_head WHERE chain = 1"


def build_checkpoint() -> dict[str, Any]:
    """Return a signed checkpoint of the chain's last event: kind, seq, mac (hex), at, public_key and signature."""
    with connection.cursor() as cursor:
        cursor.execute(HEAD)
        seq, mac, at = cursor.fetchone()
    content = {"seq": seq, "mac": bytes(mac).hex(), "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}
    return signed_json.sign(content, kind=KIND, key=settings.CHECKPOINT_KEY)


def format_checkpoint(checkpoint: dict[str, Any]) -> str:
    return json.dumps(checkpoint, sort_keys=True)


def append_line(path: Path, text: str) -> None:
    """Append a line and return once it is on the disk (fsync). Raise OSError."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
