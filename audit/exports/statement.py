"""What an export says of itself. It is recorded when the export starts, because settings, columns and versions change
later; names and manifests are made from that event alone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from audit.exports.columns import CALLS, EVENTS
from audit.models import Event
from audit.trail.chain import instant
from core.accounts import Account
from core.phone_masking import Mask

STARTED = "export.started"
# The log's own event is the last that its export may hold.
TICK = timedelta(microseconds=1)


class Content(NamedTuple):
    """What a file holds, in words and as in its name."""

    words: str
    slug: str


LOGS = {table.name: Content(table.name, table.slug) for table in (CALLS, EVENTS)}
# Exports that are made whole in memory are one event.
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
        "since": instant(since) if since else None,
        "until": instant(until) if until else None,
        "filters_in_words": dict(filters_in_words),
        "masking": masking,
        "columns": list(columns),
        "version": settings.VERSION,
    }


def masking_in_words(mask: Mask | None) -> str:
    """Return what is hidden of the phone numbers in a file of the API log."""
    if mask is None:
        return "Not masked."
    shown = f"except for the {mask.side} {mask.digits} digits" if mask.digits else "in every digit"
    return f"Phone numbers in path and query are masked {shown}."


def export_number(started: Event) -> int:
    """Return the number that an export, its file's name, its manifest and its events carry: that of the event with
    which it started, within its account."""
    assert started.number is not None
    return started.number


def statement_of(started: Event) -> dict[str, Any]:
    """Return what was recorded; empty if the event is not an export's start, or is of a version that stated nothing."""
    data: dict[str, Any] = json.loads(started.body)["data"]
    return data if started.name in (STARTED, *LISTS) and "columns" in data else {}


def content_of(started: Event) -> Content:
    if started.name == STARTED:
        return LOGS[json.loads(started.body)["data"]["log"]]
    words, slug = LISTS[started.name]
    return Content(words.format(started.target), slug.format(started.target_id))


def end_of(started: Event) -> str:
    """Return the end of the range, exclusive."""
    return statement_of(started)["until"] or instant(started.at + TICK)


def file_name(started: Event, suffix: str = "") -> str:
    """Return a name of account, content, range, number and format, in characters that every file system takes.
    `suffix` replaces the format's."""
    told = statement_of(started)
    times = [_stamp(told["until"]) if told["until"] else f"{started.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"]
    if started.name == STARTED:
        times.insert(0, _stamp(told["since"]) if told["since"] else "start")
    account = re.sub(r"[^A-Za-z0-9-]", "-", told["account"])
    parts = "-".join((account, content_of(started).slug, *times, str(export_number(started))))
    return f"keyward-{parts}.{suffix or told['format']}"


def manifest_name(started: Event) -> str:
    return f"{file_name(started)}.manifest.json"


def _stamp(at: str) -> str:
    """`2026-11-20T12:00:00.000000Z` as 20261120T120000Z."""
    return re.sub(r"[-:]|\.\d+", "", at)
