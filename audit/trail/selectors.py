"""Read the audit trail: querysets and pages of events."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from audit.models import Event
from audit.paging import Page, get_page
from audit.trail.events import SHOWN_TO_ACCOUNTS
from core.lists import PAGE_SIZE
from core.replica import get_log_database

# An export lasts no longer than audit.exports.formats.EXPORT_TIMEOUT_SECONDS; the rest is tolerance.
MAX_EXPORT_DURATION = timedelta(hours=1)


def list_events(account_id: int | None) -> QuerySet[Event]:
    """Return the account's own events, or the installation's for None, unordered and from the primary: an event that
    was just recorded is among them."""
    return Event.objects.filter(account_id=account_id)


def list_api_changes(apis: Collection[str], since: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Return the slug and the changes of each `api.changed` event of these APIs since then."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT target_id, body FROM audit_event WHERE account_id IS NULL AND target_kind = 'api'"
            " AND name = 'api.changed' AND target_id = ANY (%s) AND at >= %s",
            [list(apis), since],
        )
        return [(slug, json.loads(body)["data"]["changes"]) for slug, body in cursor.fetchall()]


def list_trail_events(account_id: int) -> QuerySet[Event]:
    """Return the events that the account's trail shows, unordered: its own and those of the installation that touch
    every account. A replica may answer, which may be a moment behind."""
    return Event.objects.using(get_log_database()).filter(
        Q(account_id=account_id) | Q(account_id=None, name__in=SHOWN_TO_ACCOUNTS)
    )


def list_trail_events_of_all_accounts() -> QuerySet[Event]:
    """Return the events that `list_trail_events` returns for any account, from the primary; for digests."""
    return Event.objects.filter(Q(account_id__isnull=False) | Q(name__in=SHOWN_TO_ACCOUNTS))


def list_all_events() -> QuerySet[Event]:
    """Return every event; for Support alone. A replica may answer."""
    return Event.objects.using(get_log_database())


def get_event(account_id: int, number: int) -> Event | None:
    """Return the account's event with this number."""
    return list_events(account_id).filter(number=number).first()


def get_event_page(rows: QuerySet[Event], matching: Q, size: int = PAGE_SIZE) -> Page[Event]:
    """Return the first page of `rows`, which an index serves, that pass `matching`."""
    return get_page(rows, matching, ("seq",), "at", size)


def get_trail_page(
    account_id: int, rows: QuerySet[Event], matching: Q, installation: Collection[str], size: int = PAGE_SIZE
) -> Page[Event]:
    """Return a page of an account's trail: its own events and the installation's of the names in `installation`. Each
    of the two is found by its own index; then they are merged. `rows` holds both."""
    pages = [
        get_event_page(rows.filter(account_id=account_id), matching, size),
        get_event_page(rows.filter(account_id=None, name__in=installation), matching, size),
    ]
    # Below the position at which one of the two ends early, its next rows are not known yet.
    cut = max((page for page in pages if page.after), key=lambda page: int(page.after or 0), default=None)
    floor = int(cut.after or 0) if cut else 0
    merged = sorted(
        (row for page in pages for row in page.rows if row.seq >= floor), key=lambda row: row.seq, reverse=True
    )
    if len(merged) > size:
        return Page(merged[:size], merged[size - 1].position)
    return replace(cut, rows=merged) if cut else Page(merged, None)


def list_events_of_requests(account_id: int, request_ids: Iterable[UUID]) -> Sequence[Event]:
    """Return the account's events that these requests caused, newest first: at most a page, of its newest
    MAX_ROWS_SCANNED."""
    ids = [str(request_id) for request_id in request_ids]
    return get_event_page(list_trail_events(account_id), Q(request_id__in=ids)).rows


def find_unended_exports(account_id: int, rows: Iterable[Event]) -> set[int]:
    """Return the numbers of those of `rows` that started an export whose end no event of the account records."""
    started = [event for event in rows if event.name == "export.started" and event.number]
    if not started:
        return set()
    later = list_trail_events(account_id).filter(account_id=account_id, seq__gt=min(event.seq for event in started))
    later = later.order_by("seq")
    beyond = later.filter(at__gt=max(event.at for event in started) + MAX_EXPORT_DURATION).values_list("seq").first()
    ends = later.filter(name__in=("export.finished", "export.incomplete"), **({"seq__lt": beyond[0]} if beyond else {}))
    return {event.number for event in started if event.number} - {
        json.loads(body)["data"]["started"] for body in ends.values_list("body", flat=True)
    }
