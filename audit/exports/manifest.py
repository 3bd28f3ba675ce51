"""What a finished export was, signed: with the public key alone anyone can say whether a file is that export, of what
and of how much."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from audit import selectors
from audit.exports.statement import LISTS, content_of, end_of, export_number, file_name, statement_of
from audit.models import Event
from audit.trail.chain import instant
from core import signed_json

KIND = "keyward-export-2"
Manifest = dict[str, Any]


class Finished(NamedTuple):
    """An export that was delivered whole."""

    started: Event
    rows: int
    sha256: str


class Listed(NamedTuple):
    """A finished export, as the Export dialogs list it."""

    number: int
    at: datetime
    rows: int
    format: str
    filters: dict[str, str]


def build_manifest(export: Finished) -> Manifest:
    """Return the signed statement of what the file is. It depends on nothing but the export, so that the manifest in a
    ZIP and the one that is downloaded later are the same."""
    started, told = export.started, statement_of(export.started)
    return signed_json.signed(
        {
            "version": told["version"],
            "number": export_number(started),
            "account": told["account"],
            "content": content_of(started).words,
            "file": file_name(started),
            "format": told["format"],
            "range": {"from": told["since"], "to": end_of(started)},
            "filters": told["filters_in_words"],
            "masking": told["masking"],
            "columns": told["columns"],
            "rows": export.rows,
            "sha256": export.sha256,
            "exporter": {"kind": started.actor_kind, "id": started.actor_id, "label": started.actor},
            "at": instant(started.at),
            "mac": bytes(started.mac).hex(),
        },
        kind=KIND,
        key=settings.CHECKPOINT_KEY,
    )


def manifest_json(export: Finished) -> bytes:
    return json.dumps(build_manifest(export), indent=2, sort_keys=True).encode() + b"\n"


def find_export(account_id: int, number: int | None) -> Finished | None:
    """Return the account's export of this number, None unless there is one that was finished."""
    started = selectors.event(account_id, number) if number else None
    if started is None or not (told := statement_of(started)):
        return None
    if started.name in LISTS:
        return Finished(started, told["rows"], told["sha256"])
    ends = selectors.events(account_id).filter(
        seq__gt=started.seq, at__lt=started.at + selectors.MAX_EXPORT_DURATION, name="export.finished"
    )
    for body in ends.order_by("seq").values_list("body", flat=True):
        if (end := json.loads(body)["data"])["started"] == number:
            return Finished(started, end["rows"], end["sha256"])
    return None


def started_number(event: Event) -> int | None:
    """Return the number of the export that this event started or ended, None if it did neither."""
    if event.name in ("export.finished", "export.incomplete"):
        number = json.loads(event.body)["data"]["started"]
        return number if isinstance(number, int) else None
    return export_number(event) if statement_of(event) else None


def manifest_number(event: Event) -> int | None:
    """Return the number of the export that this event ended, None if it ended none or there is no manifest."""
    return started_number(event) if event.name == "export.finished" or event.name in LISTS else None


def recent_exports(account_id: int, actor_id: str, name: str, *, of: str = "", count: int = 5) -> list[Listed]:
    """Return someone's last finished exports, newest first: of a log (`name` is `export.finished`, `of` the log's
    name), or of a list (`of` is the IP list's number, where its entries are exported)."""
    events = selectors.events(account_id).filter(name=name, actor_id=actor_id)
    if name == "ip_list.exported":
        events = events.filter(target_id=of)
    found = (_finished(account_id, event) for event in events.order_by("-seq")[: count * 2])
    told = [export for export in found if export and (name in LISTS or content_of(export.started).words == of)]
    return [_listed(export) for export in told[:count]]


def _finished(account_id: int, event: Event) -> Finished | None:
    end = json.loads(event.body)["data"]
    started = event if event.name in LISTS else selectors.event(account_id, end["started"])
    return Finished(started, end["rows"], end["sha256"]) if started and statement_of(started) else None


def _listed(export: Finished) -> Listed:
    told = statement_of(export.started)
    return Listed(export_number(export.started), export.started.at, export.rows, told["format"], dict(_filters(told)))


def _filters(told: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The filters in words, and the range, if it was narrowed."""
    yield from told["filters_in_words"].items()
    for label, name in (("From", "since"), ("To", "until")):
        if told[name]:
            yield label, told[name]
