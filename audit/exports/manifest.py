"""What a finished export was, signed: with the public key alone anyone can say whether a file is that export, of what
and of how much."""

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
    """An export that was delivered whole."""

    started: Event
    rows: int
    sha256: str


class RecentExport(NamedTuple):
    """A finished export, as the Export dialogs list it."""

    number: int
    at: datetime
    rows: int
    format: str
    filters: dict[str, str]


def build_manifest(export: FinishedExport) -> Manifest:
    """Return the signed statement of what the file is. It depends on nothing but the export, so that the manifest in a
    ZIP and the one that is downloaded later are the same."""
    started, told = export.started, get_statement(export.started)
    return signed_json.signed(
        {
            "version": told["version"],
            "number": get_export_number(started),
            "account": told["account"],
            "content": get_content(started).words,
            "file": build_file_name(started),
            "format": told["format"],
            "range": {"from": told["since"], "to": get_range_end(started)},
            "filters": told["filters_in_words"],
            "masking": told["masking"],
            "columns": told["columns"],
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
    if started is None or not (told := get_statement(started)):
        return None
    if started.name in LISTS:
        return FinishedExport(started, told["rows"], told["sha256"])
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
    account_id: int, actor_id: str, name: str, *, of: str = "", count: int = 5
) -> list[RecentExport]:
    """Return someone's last finished exports, newest first: of a log (`name` is `export.finished`, `of` the log's
    name), or of a list (`of` is the IP list's number, where its entries are exported)."""
    events = list_events(account_id).filter(name=name, actor_id=actor_id)
    if name == "ip_list.exported":
        events = events.filter(target_id=of)
    found = (_find_finished(account_id, event) for event in events.order_by("-seq")[: count * 2])
    told = [export for export in found if export and (name in LISTS or get_content(export.started).words == of)]
    return [_build_recent_export(export) for export in told[:count]]


def _find_finished(account_id: int, event: Event) -> FinishedExport | None:
    end = json.loads(event.body)["data"]
    started = event if event.name in LISTS else get_event(account_id, end["started"])
    return FinishedExport(started, end["rows"], end["sha256"]) if started and get_statement(started) else None


def _build_recent_export(export: FinishedExport) -> RecentExport:
    told = get_statement(export.started)
    return RecentExport(
        get_export_number(export.started), export.started.at, export.rows, told["format"], dict(_list_filters(told))
    )


def _list_filters(told: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The filters in words, and the range, if it was narrowed."""
    yield from told["filters_in_words"].items()
    for label, name in (("From", "since"), ("To", "until")):
        if told[name]:
            yield label, told[name]
