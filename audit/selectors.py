"""Reading the logs: an account's own rows, a page at a time, newest first.

A page is found by its keyset: never by OFFSET or COUNT, so the millionth costs what the first does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from audit.models import Call, Event
from audit.trail.chain import format_instant
from audit.trail.events import SHOWN_TO_ACCOUNTS
from core.replica import reading

Row = TypeVar("Row", Call, Event)

PAGE_SIZE = 50
MAX_EXPORT_DURATION = timedelta(hours=1)  # with time to spare
MAX_ROWS_SCANNED = 100_000  # rows that one page may look at


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`after` is the keyset to go on from, None at the end. `gave_up_at` is the time that the search reached when it
    had looked at MAX_ROWS_SCANNED rows; None when it did not have to stop."""

    rows: Sequence[Row]
    after: str | None
    gave_up_at: datetime | None = None


def list_calls(account_id: int) -> QuerySet[Call]:
    """Return the account's calls; a row may stand for several refusals (`folded`)."""
    return Call.objects.using(reading()).filter(account_id=account_id)


def list_calls_of_all_accounts() -> QuerySet[Call]:
    """What `calls` lets through, of every account, as the primary has it: for digests."""
    return Call.objects.filter(account_id__isnull=False)


def list_events(account_id: int | None) -> QuerySet[Event]:
    """The account's events, the one that was just recorded among them."""
    return Event.objects.filter(account_id=account_id)


def list_trail_events(account_id: int) -> QuerySet[Event]:
    """What the account's trail shows: its events, and those of the installation that touch every account. For pages and
    exports, which a replica may answer: it may be a moment behind."""
    return Event.objects.using(reading()).filter(
        Q(account_id=account_id) | Q(account_id=None, name__in=SHOWN_TO_ACCOUNTS)
    )


def list_trail_events_of_all_accounts() -> QuerySet[Event]:
    """What `trail` lets through, of every account, as the primary has it: for digests."""
    return Event.objects.filter(Q(account_id__isnull=False) | Q(name__in=SHOWN_TO_ACCOUNTS))


def get_call(account_id: int, request_id: UUID) -> Call | None:
    return list_calls(account_id).filter(request_id=request_id).order_by("time").first()


def get_event(account_id: int, number: int) -> Event | None:
    """The account's event of that number."""
    return list_events(account_id).filter(number=number).first()


def number_of(seq: int) -> int:
    """The number, within its account, of the event that was just recorded at this place in the chain."""
    number = Event.objects.values_list("number", flat=True).get(seq=seq)
    assert number is not None
    return number


def find_unended_exports(account_id: int, rows: Iterable[Event]) -> set[int]:
    """The numbers of those of these events that started an export which no event ends."""
    started = [event for event in rows if event.name == "export.started" and event.number]
    if not started:
        return set()
    later = (
        list_trail_events(account_id)
        .filter(account_id=account_id, seq__gt=min(event.seq for event in started))
        .order_by("seq")
    )
    beyond = later.filter(at__gt=max(event.at for event in started) + MAX_EXPORT_DURATION).values_list("seq").first()
    ends = later.filter(name__in=("export.finished", "export.incomplete"), **({"seq__lt": beyond[0]} if beyond else {}))
    return {event.number for event in started if event.number} - {
        json.loads(body)["data"]["started"] for body in ends.values_list("body", flat=True)
    }


def list_events_of_requests(account_id: int, request_ids: Iterable[UUID]) -> Sequence[Event]:
    """Return the account's events that these requests caused, newest first, a page at most, of its newest
    MAX_ROWS_SCANNED."""
    wanted = [str(request_id) for request_id in request_ids]
    return get_event_page(list_trail_events(account_id), Q(request_id__in=wanted)).rows


def list_all_calls() -> QuerySet[Call]:
    """Of all accounts and of none: for Support alone."""
    return Call.objects.using(reading())


def list_all_events() -> QuerySet[Event]:
    return Event.objects.using(reading())


def is_read_recorded(account_id: int | None, actor_id: str, data: dict[str, Any]) -> bool:
    """Whether the trail already says so, for the last ten minutes, as far as its newest thousand events go back."""
    newest = list_events(account_id).order_by("-seq").values("seq")[:1000]
    lately = list_events(account_id).filter(
        seq__in=newest, name="log.read", actor_id=actor_id, at__gt=timezone.now() - timedelta(minutes=10)
    )
    return any(json.loads(body)["data"] == data for body in lately.values_list("body", flat=True))


def build_before_condition(time: datetime, request_id: UUID) -> Q:
    """What follows this call on the pages. The first condition adds nothing but lets whole partitions be skipped."""
    return Q(time__lte=time) & (Q(time__lt=time) | Q(time=time, request_id__lt=request_id))


def get_call_page(rows: QuerySet[Call], matching: Q) -> Page[Call]:
    """`rows` are narrowed by what an index serves; `matching` is looked for among them."""
    return get_page(rows, matching, ("time", "request_id"))


def get_event_page(rows: QuerySet[Event], matching: Q) -> Page[Event]:
    return get_page(rows, matching, ("seq",))


def get_trail_page(account_id: int, rows: QuerySet[Event], matching: Q, installation: Collection[str]) -> Page[Event]:
    """A page of an account's trail: its own events and the `installation`'s of these names, each found by its own index
    and merged. `rows` holds both."""
    pages = [
        get_event_page(rows.filter(account_id=account_id), matching),
        get_event_page(rows.filter(account_id=None, name__in=installation), matching),
    ]
    # Below the place where one of the two ends early, its next rows are not known yet.
    cut = max((page for page in pages if page.after), key=lambda page: int(page.after or 0), default=None)
    floor = int(cut.after or 0) if cut else 0
    merged = sorted(
        (row for page in pages for row in page.rows if row.seq >= floor), key=lambda row: row.seq, reverse=True
    )
    if len(merged) > PAGE_SIZE:
        return Page(merged[:PAGE_SIZE], format_position(merged[PAGE_SIZE - 1]))
    return Page(merged, cut.after if cut else None, cut.gave_up_at if cut else None)


def format_position(row: Call | Event) -> str:
    """The position of a row, as `?after=` carries it."""
    return str(row.seq) if isinstance(row, Event) else f"{format_instant(row.time)}~{row.request_id}"


def get_page(rows: QuerySet[Row], matching: Q, order: tuple[str, ...]) -> Page[Row]:
    newest_first = [F(name).desc() for name in order]
    rows = rows.order_by(*newest_first)
    if not matching:
        return _trim_page(list(rows[: PAGE_SIZE + 1]))
    looked_at = rows.annotate(
        looked=Window(RowNumber(), order_by=newest_first),
        matches=ExpressionWrapper(matching, output_field=BooleanField()),
    )[:MAX_ROWS_SCANNED]
    params: tuple[Any, ...]
    sql, params = looked_at.query.sql_with_params()
    # The last row that may be looked at comes along, matching or not: it tells that the search was cut short. There is
    # no ORDER BY outside, because the rows come in order and the planner then stops as soon as the page is full.
    outer = f"SELECT * FROM ({sql}) AS looked_at WHERE matches OR looked = %s LIMIT %s"
    found: list[Any] = list(rows.model.objects.using(rows.db).raw(outer, [*params, MAX_ROWS_SCANNED, PAGE_SIZE + 1]))
    last = found[-1] if found else None
    if len(found) > PAGE_SIZE or last is None or last.looked < MAX_ROWS_SCANNED:
        return _trim_page(found)
    kept = [row for row in found if row.matches]
    return Page(kept, format_position(last), last.time if isinstance(last, Call) else last.at)


def _trim_page(found: list[Row]) -> Page[Row]:
    """One row more than the page was asked for; it only tells that there is more."""
    page = found[:PAGE_SIZE]
    return Page(page, format_position(page[-1]) if len(found) > PAGE_SIZE else None)


def build_after_condition(time: datetime, request_id: UUID) -> Q:
    """What came after this call."""
    return Q(time__gte=time) & (Q(time__gt=time) | Q(time=time, request_id__gt=request_id))


class Tail(NamedTuple):
    """The newest rows, and how many are left out below them: `many` says that there are more than were counted."""

    rows: list[Call]
    left_out: int = 0
    many: bool = False

    @property
    def oldest(self) -> str:
        return format_position(self.rows[-1])


def get_call_tail(rows: QuerySet[Call], matching: Q, until: datetime) -> Tail:
    """Return the newest of `rows` that match and came before `until`, newest first; no more than two pages of them. The
    others are counted, as far as one page looks."""
    found = rows.filter(matching, time__lt=until).order_by("-time", "-request_id")
    newest = list(found[: 2 * PAGE_SIZE])
    if len(newest) < 2 * PAGE_SIZE:
        return Tail(newest)
    below = found.filter(build_before_condition(newest[-1].time, newest[-1].request_id)).order_by()
    count = below[: MAX_ROWS_SCANNED + 1].count()
    return Tail(newest, min(count, MAX_ROWS_SCANNED), count > MAX_ROWS_SCANNED)


def get_tail_start(behind: timedelta) -> str:
    """The position from which a live tail goes on where there is no row yet."""
    return f"{format_instant(timezone.now() - behind)}~{UUID(int=0)}"


# Of the newest rows, those that match. `looked` is the number of rows that were looked at.
DURATIONS = """
    SELECT api, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms),
        percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)
    FROM (LOOKED_AT) AS looked_at WHERE matches AND duration_ms IS NOT NULL GROUP BY api ORDER BY api
"""
ADDRESSES = """
    SELECT host(client_address), sum(folded), max(time) FROM (LOOKED_AT) AS looked_at
    WHERE matches AND decision = 'denied' GROUP BY client_address ORDER BY 2 DESC, 3 DESC LIMIT %s
"""
REACH = "SELECT count(*), min(time), min(time) FILTER (WHERE matches) FROM (LOOKED_AT) AS looked_at"
BY_STEP = """
    SELECT date_bin(make_interval(secs => %s), time, %s), coalesce(sum(folded) FILTER (WHERE decision = 'allowed'), 0),
        coalesce(sum(folded) FILTER (WHERE decision = 'denied'), 0)
    FROM (LOOKED_AT) AS looked_at WHERE matches GROUP BY 1
"""
MAX_ADDRESSES = 20


def get_duration_percentiles(rows: QuerySet[Call], matching: Q) -> list[tuple[str, int, float, float]]:
    """Return (API, calls, p50, p95) in milliseconds, of those of the newest rows that match and whose duration is
    known."""
    return _query_newest(DURATIONS, rows, matching, "api", "duration_ms")


def count_denied_by_address(rows: QuerySet[Call], matching: Q) -> list[tuple[str | None, int, datetime]]:
    """(client address, denied calls, the last of them), of the newest rows; the addresses with the most come first."""
    return _query_newest(ADDRESSES, rows, matching, "client_address", "decision", "folded", after=[MAX_ADDRESSES])


def get_scanned_range(rows: QuerySet[Call], matching: Q) -> tuple[datetime | None, datetime | None]:
    """Return the time of the last of the newest rows that may be looked at, None if there are no more than those; and
    the time of the earliest of them that matches."""
    ((looked, earliest, first),) = _query_newest(REACH, rows, matching)
    return earliest if looked == MAX_ROWS_SCANNED else None, first


def count_by_step(
    rows: QuerySet[Call], matching: Q, since: datetime, origin: datetime, step: timedelta
) -> list[tuple[datetime, int, int]]:
    """Return (start of the step, allowed, denied) of those of the newest rows since then that match; steps are counted
    from `origin`."""
    rows = rows.filter(time__gte=since)
    return _query_newest(BY_STEP, rows, matching, "decision", "folded", before=[step.total_seconds(), origin])


def _query_newest(
    sql: str, rows: QuerySet[Call], matching: Q, *columns: str, before: Sequence[Any] = (), after: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """`sql` over the newest MAX_ROWS_SCANNED of these rows; `matches` says which of them do."""
    matches = ExpressionWrapper(matching or Q(time__isnull=False), output_field=BooleanField())
    newest = rows.order_by("-time").annotate(matches=matches).values("time", "matches", *columns)[:MAX_ROWS_SCANNED]
    looked_at, params = newest.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(sql.replace("LOOKED_AT", looked_at), [*before, *params, *after])
        return cursor.fetchall()
