"""Read the API log: querysets, pages and the live tail. All may be answered by a replica unless they say otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from audit.models import Call
from audit.paging import MAX_ROWS_SCANNED, Page, get_page
from core.lists import PAGE_SIZE
from core.replica import get_log_database

if TYPE_CHECKING:
    from audit.calls.filters import CallFilter

MAX_TAIL_ROWS = 2 * PAGE_SIZE


def list_calls(account_id: int) -> QuerySet[Call]:
    """Return the account's calls, unordered. A row may stand for several refusals (`folded`)."""
    return Call.objects.using(get_log_database()).filter(account_id=account_id)


def list_calls_of_all_accounts() -> QuerySet[Call]:
    """Return the calls that `list_calls` returns for any account, from the primary; for digests."""
    return Call.objects.filter(account_id__isnull=False)


def list_all_calls() -> QuerySet[Call]:
    """Return the calls of every account and of none; for Support alone."""
    return Call.objects.using(get_log_database())


def get_call(account_id: int, request_id: UUID) -> Call | None:
    """Return the account's call with this request ID, the earliest if it has several."""
    return list_calls(account_id).filter(request_id=request_id).order_by("time").first()


def build_before_condition(time: datetime, request_id: UUID) -> Q:
    """Return the condition for calls that a page lists after this position, which are older."""
    # The first comparison is redundant, but lets PostgreSQL skip whole partitions.
    return Q(time__lte=time) & (Q(time__lt=time) | Q(time=time, request_id__lt=request_id))


def build_after_condition(time: datetime, request_id: UUID) -> Q:
    """Return the condition for calls that are newer than this position."""
    return Q(time__gte=time) & (Q(time__gt=time) | Q(time=time, request_id__gt=request_id))


def get_call_page(calls: CallFilter, size: int = PAGE_SIZE) -> Page[Call]:
    """Return the first `size` calls that pass the filters, of the `max_scanned` first."""
    # `qs` comes before `matching`: Support's filter sets the mask there that `matching` applies.
    return get_page(calls.qs, calls.matching, ("time", "request_id"), "time", size, calls.max_scanned)


class Tail(NamedTuple):
    """The newest rows, and how many older ones were left out; `many` if there are more than were counted."""

    rows: list[Call]
    left_out: int = 0
    many: bool = False

    @property
    def oldest(self) -> str:
        return self.rows[-1].position


def get_call_tail(rows: QuerySet[Call], matching: Q, until: datetime) -> Tail:
    """Return the newest MAX_TAIL_ROWS of `rows` that match and were logged before `until`, newest first. The others are
    counted up to MAX_ROWS_SCANNED."""
    found = rows.filter(matching, time__lt=until).order_by("-time", "-request_id")
    newest = list(found[:MAX_TAIL_ROWS])
    if len(newest) < MAX_TAIL_ROWS:
        return Tail(newest)
    older = found.filter(build_before_condition(newest[-1].time, newest[-1].request_id)).order_by()
    count = older[: MAX_ROWS_SCANNED + 1].count()
    return Tail(newest, min(count, MAX_ROWS_SCANNED), count > MAX_ROWS_SCANNED)


def get_tail_start(delay: timedelta) -> str:
    """Return the position from which a live tail without any row continues: `delay` before now."""
    return Call(time=timezone.now() - delay, request_id=UUID(int=0)).position
