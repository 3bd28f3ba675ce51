"""What a finished export was, signed: with the public key alone anyone can say whether a file is that export."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from audit import selectors, signing
from audit.chain import instant
from audit.models import Event

KIND = "keyward-export-1"
Manifest = dict[str, Any]


def manifest(event: Event) -> Manifest:
    """Of an `export.finished` event: what was exported, by whom, and the file's rows and SHA-256, with the numbers of
    the events that tell of it and the chain's MAC at its end."""
    told = json.loads(event.body)
    data = told["data"]
    started = selectors.event(told["account_id"], data["started"])
    assert started is not None
    asked = json.loads(started.body)
    return signing.signed(
        {
            "version": 1,
            "log": data["log"],
            "format": data["format"],
            "filters": asked["data"]["filters"],
            "rows": data["rows"],
            "sha256": data["sha256"],
            "exporter": {"kind": event.actor_kind, "id": event.actor_id, "label": event.actor},
            "started": {"event": started.number, "at": instant(started.at)},
            "finished": {"event": event.number, "at": instant(event.at), "mac": bytes(event.mac).hex()},
        },
        kind=KIND,
        key=settings.CHECKPOINT_KEY,
    )


def finished(account_id: int, actor_id: str, log: str, count: int = 5) -> list[Event]:
    """The last exports of this log that someone finished, newest first."""
    events = selectors.events(account_id).filter(name="export.finished", actor_id=actor_id).order_by("-seq")
    return [event for event in events[: count * 2] if json.loads(event.body)["data"]["log"] == log][:count]
