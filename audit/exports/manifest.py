"""Signed manifests of finished exports: with the public key alone, anyone can verify a file and what it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from audit.exports.statement import LISTS, build_file_name, get_content, get_export_number, get_range_end, get_statement
from audit.models import Event
from audit.trail.chain import format_instant
from audit.trail.selectors import MAX_EXPORT_DURATION, get_event, list_events
from core import signed_json

KIND = "keyward-export-2"
Manifest = dict[str, Any]


class FinishedExport(NamedTuple):
    """An export that was delivered completely; `sha256` is that of the file."""

    started: Event
    rows: int
    sha256: str


class RecentExport(NamedTuple):
    """A finished export, as export dialogs list it."""

    number: int
    at: datetime
    rows: int
    format: str
    filters: dict[str, str]


def build_manifest(export: FinishedExport) -> Manifest:
    """Return the signed manifest. It depends only on the export's events, so that the manifest in a ZIP and one that is
    downloaded later are the same."""
    started, statement = export.started, get_statement(export.started)
    return signed_json.sign(
        {
            "version": statement["version"],
            "number": get_export_number(started),
            "account": statement["account"],
            "content": get_content(started).words,
            "file": build_file_name(started),
            "format": statement["format"],
            "range": {"from": statement["since"], "to": get_range_end(started)},
            "filters": statement["filters_in_words"],
            "masking": statement["masking"],
            "columns": statement["columns"],
            "rows": export.rows,
            "sha256": export.sha256,
            "exporter": {"kind": started.actor_kind, "id": started.actor_id, "label": started.actor},
            "at": format_instant(started.at),
            "mac": bytes(started.mac).hex(),
        },
        kind=KIND,
        key=settings.CHECKPOINT_KEY,
    )


def format_manifest(export: FinishedExport) -> bytes:
    return json.dumps(build_manifest(export), indent=2, sort_keys=True).encode() + b"\n"


def find_export(account_id: int, number: int | None) -> FinishedExport | None:
    """Return the account's export of this number, None unless there is one that was finished."""
    started = get_event(account_id, number) if number else None
    if started is None or not (statement := get_statement(started)):
        return None
    if started.name in LISTS:
        return FinishedExport(started, statement["rows"], statement["sha256"])
    ends = list_events(account_id).filter(
        seq__gt=started.seq, at__lt=started.at + MAX_EXPORT_DURATION, name="export.finished"
    )
    for body in ends.order_by("seq").values_list("body", flat=True):
        if (end := json.loads(body)["data"])["started"] == number:
            return FinishedExport(started, end["rows"], end["sha256"])
    return None


def find_export_number(event: Event) -> int | None:
    """Return the number of the export that this event started or ended, None if it did neither."""
    if event.name in ("export.finished", "export.incomplete"):
        number = json.loads(event.body)["data"]["started"]
        return number if isinstance(number, int) else None
    return get_export_number(event) if get_statement(event) else None


def find_manifest_number(event: Event) -> int | None:
    """Return the number of the export that this event ended, None if it ended none or there is no manifest."""
    return find_export_number(event) if event.name == "export.finished" or event.name in LISTS else None


def list_recent_exports(
    account_id: int, actor_id: str, name: str, *, subject: str = "", count: int = 5
) -> list[RecentExport]:
    """Return the last `count` finished exports of this actor, newest first: of a log (`name` is `export.finished`,
    `subject` the log's name), or of a list (`subject` is the primary key of the IP list whose entries were
    exported)."""
    events = list_events(account_id).filter(name=name, actor_id=actor_id)
    if name == "ip_list.exported":
        events = events.filter(target_id=subject)
    candidates = (_find_finished(account_id, event) for event in events.order_by("-seq")[: count * 2])
    exports = [
        export for export in candidates if export and (name in LISTS or get_content(export.started).words == subject)
    ]
    return [_build_recent_export(export) for export in exports[:count]]


def _find_finished(account_id: int, event: Event) -> FinishedExport | None:
    end = json.loads(event.body)["data"]
    started = event if event.name in LISTS else get_event(account_id, end["started"])
    return FinishedExport(started, end["rows"], end["sha256"]) if started and get_statement(started) else None


def _build_recent_export(export: FinishedExport) -> RecentExport:
    statement = get_statement(export.started)
    return RecentExport(
        get_export_number(export.started),
        export.started.at,
        export.rows,
        statement["format"],
        dict(_list_filters(statement)),
    )


def _list_filters(statement: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield label and value of the filters in words, and of the range if it was limited."""
    yield from statement["filters_in_words"].items()
    for label, name in (("From", "since"), ("To", "until")):
        if statement[name]:
            yield label, statement[name]
