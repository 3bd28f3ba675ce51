"""The statement of an export, recorded in the event that starts it. File names and manifests are made from that event
alone, because settings, columns and versions may change later."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from audit.exports.columns import CALLS, EVENTS
from audit.models import Event
from audit.trail.chain import format_instant
from core.accounts import Account
from core.phone_masking import Mask

STARTED = "export.started"
# An export of the trail includes the event that starts it: its range ends this much later.
MICROSECOND = timedelta(microseconds=1)


class Content(NamedTuple):
    """What a file holds, in words and for its name."""

    words: str
    slug: str


LOGS = {table.name: Content(table.name, table.slug) for table in (CALLS, EVENTS)}
# Exports of lists are recorded as one event.
LISTS = {
    "keys.exported": Content("API keys", "keys"),
    "users.exported": Content("users", "users"),
    "ip_lists.exported": Content("IP lists", "ip-lists"),
    "ip_list.exported": Content("entries of the IP list {}", "ip-list-{}"),
}


def build_statement(
    account: Account,
    *,
    columns: Collection[str],
    filters_in_words: Mapping[str, str],
    masking: str = "Not masked.",
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Return the fields of the event with which an export starts. `since` and `until` bound the rows as [since, until);
    `until` is None if it lies ahead: then the export's own event bounds them."""
    return {
        "account": account.slug,
        "since": format_instant(since) if since else None,
        "until": format_instant(until) if until else None,
        "filters_in_words": dict(filters_in_words),
        "masking": masking,
        "columns": list(columns),
        "version": settings.VERSION,
    }


def describe_masking(mask: Mask | None) -> str:
    """Return in words how phone numbers are masked in a file of the API log."""
    if mask is None:
        return "Not masked."
    extent = f"except for the {mask.side} {mask.digits} digits" if mask.digits else "in every digit"
    return f"Phone numbers in path and query are masked {extent}."


def get_export_number(started: Event) -> int:
    """Return the number that an export, its file's name, its manifest and its events carry: that of the event with
    which it started, within its account."""
    assert started.number is not None
    return started.number


def get_statement(started: Event) -> dict[str, Any]:
    """Return the statement that the event holds; empty if it starts no export, or is of a version without
    statements."""
    data: dict[str, Any] = json.loads(started.body)["data"]
    return data if started.name in (STARTED, *LISTS) and "columns" in data else {}


def get_content(started: Event) -> Content:
    if started.name == STARTED:
        return LOGS[json.loads(started.body)["data"]["log"]]
    words, slug = LISTS[started.name]
    return Content(words.format(started.target), slug.format(started.target_id))


def get_range_end(started: Event) -> str:
    """Return the end of the range, exclusive."""
    return get_statement(started)["until"] or format_instant(started.at + MICROSECOND)


def build_file_name(started: Event, suffix: str = "") -> str:
    """Return the file's name, made of account, content, range, number and format in characters that every file system
    allows. `suffix` replaces that of the format."""
    statement = get_statement(started)
    times = [
        _format_stamp(statement["until"]) if statement["until"] else f"{started.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    ]
    if started.name == STARTED:
        times.insert(0, _format_stamp(statement["since"]) if statement["since"] else "start")
    account = re.sub(r"[^A-Za-z0-9-]", "-", statement["account"])
    parts = "-".join((account, get_content(started).slug, *times, str(get_export_number(started))))
    return f"keyward-{parts}.{suffix or statement['format']}"


def build_manifest_name(started: Event) -> str:
    return f"{build_file_name(started)}.manifest.json"


def _format_stamp(at: str) -> str:
    """Return 2026-11-20T12:00:00.000000Z as 20261120T120000Z."""
    return re.sub(r"[-:]|\.\d+", "", at)
