"""Build the chart of allowed and denied calls over time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils import timezone

from audit.calls import rollups
from audit.calls.aggregates import (
    MAX_KEY_ROWS_SAMPLED,
    MAX_ROWS_SAMPLED,
    Figures,
    Steps,
    count_newest,
    find_newest,
    get_figures,
    get_first_match,
)
from audit.calls.chart_shapes import Chart, build_scale, build_times, draw_bars
from audit.calls.filters import CallFilter
from audit.calls.rollups import HOUR, Bar, floor_time
from core.filters.time_range import TIME_FIELDS
from core.lists import MAX_ROWS_COUNTED

# (longest range, its step)
STEPS = (
    (timedelta(minutes=20), timedelta(seconds=30)),
    (timedelta(hours=2), timedelta(minutes=2)),
    (timedelta(hours=48), timedelta(hours=1)),
    (timedelta(days=8), timedelta(hours=6)),
    (timedelta(days=60), timedelta(days=1)),
    (timedelta(days=400), timedelta(days=7)),
)
MAX_STEP = timedelta(days=30)
DEFAULT_RANGE = timedelta(days=30)
MIN_RANGE = timedelta(minutes=1)
# The filters that rollups know; with any other, rows are counted.
ROLLUP_FILTERS = ("api", "key_id", "reason", "decision")


class LogFigures(NamedTuple):
    """The chart of the calls that pass the log's filters, what is shown beside it, and their number for the list, as
    core.lists.count_rows counts it; None if it is not known. The figures are of the newest `sampled` calls."""

    chart: Chart
    figures: Figures
    total: int | None
    sampled: int


def _get_sample_size(narrowed: Mapping[str, Any]) -> int:
    return MAX_KEY_ROWS_SAMPLED if "key_id" in narrowed else MAX_ROWS_SAMPLED


def build_log_figures(account_id: int, calls: CallFilter) -> LogFigures:
    """Return the chart of the calls that pass the filters, without any of the last DEFAULT_RANGE, and their figures."""
    until = (calls.until or timezone.now()).astimezone(UTC)
    narrowed, other_filters = split_filters(calls)
    if other_filters:
        return _build_from_rows(calls, until, _get_sample_size(narrowed))
    chart, total = _build_log_chart(account_id, calls, until, narrowed)
    if total is None:
        total = count_newest(calls.qs, calls.matching)
    sampled = _get_sample_size(narrowed)
    figures = get_figures(calls.qs, calls.matching, find_newest(calls.qs, sampled))
    return LogFigures(chart, figures, total, sampled)


def _build_log_chart(
    account_id: int, calls: CallFilter, until: datetime, narrowed: Mapping[str, Any]
) -> tuple[Chart, int | None]:
    """Return the chart of calls that are narrowed by filters that rollups know, and their number, up to one more than
    MAX_ROWS_COUNTED; None if there may be more than the chart has."""
    recent = not (calls.since or narrowed)
    first = calls.since or (rollups.get_first_hour(account_id=account_id, **narrowed) if narrowed else None)
    has_all = first is not None and first < until
    since = first.astimezone(UTC) if first and has_all else _get_default_since(until)
    chart, rows = _build_from_rollups(account_id, since, until, _keep_filters(calls), recent=recent, **narrowed)
    has_all = has_all and not (chart.cut or chart.head_cut)
    return chart, min(rows, MAX_ROWS_COUNTED + 1) if has_all or rows > MAX_ROWS_COUNTED else None


def split_filters(calls: CallFilter) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the active filters that rollups know, by name, and the labels of the other active filters."""
    narrowed = {name: value for name in ROLLUP_FILTERS if (value := calls.form.cleaned_data.get(name))}
    used = {*ROLLUP_FILTERS, "range", "from", "to", "zone"}
    # A key's API ID may be given in two fields; rollups can be narrowed to one key only.
    if (key_id := getattr(calls, "api_id", "")) and narrowed.setdefault("key_id", key_id) == key_id:
        used.add("key")
    return narrowed, tuple(str(calls.form[name].label) for name in calls.active if name not in used)


def _keep_filters(calls: CallFilter) -> dict[str, str]:
    """Return the active filters that a narrower time range keeps."""
    return {name: value for name, value in calls.active.items() if name not in TIME_FIELDS}


def build_key_chart(account_id: int, key_id: str) -> Chart:
    """Return the chart of one key over the last DEFAULT_RANGE."""
    until = timezone.now()
    chart, _ = _build_from_rollups(account_id, _get_default_since(until), until, {"key": key_id}, key_id=key_id)
    return chart


def _get_default_since(until: datetime) -> datetime:
    """Return the start of the hour DEFAULT_RANGE ago: rollups hold whole hours."""
    return floor_time(until - DEFAULT_RANGE, HOUR)


def _build_from_rollups(
    account_id: int,
    since: datetime,
    until: datetime,
    filters: Mapping[str, str],
    *,
    recent: bool = False,
    **narrowed: Any,
) -> tuple[Chart, int]:
    """Return the chart, and the number of rows that it was counted from."""
    step = _choose_step(since, until)
    bars, rows, cut, head_cut = rollups.get_bars(account_id=account_id, since=since, until=until, step=step, **narrowed)
    return _build_chart(bars, step, since, until, filters, cut=cut, head_cut=head_cut, recent=recent), rows


def _build_from_rows(calls: CallFilter, until: datetime, sampled: int) -> LogFigures:
    """Count the newest rows by filters that rollups do not know: of at most `max_scanned` those that pass, and of these
    at most one more than MAX_ROWS_COUNTED."""
    newest = find_newest(calls.qs, sampled, calls.max_scanned)
    since = newest.scanned or calls.since or get_first_match(calls.qs, calls.matching) or until - DEFAULT_RANGE
    since = min(since.astimezone(UTC), until - MIN_RANGE)
    step = _choose_step(since, until)
    counted: rollups.Counted = {}
    origin = rollups.get_origin(since, step)
    steps = Steps(newest.scanned or since, origin, step)
    figures = get_figures(calls.qs, calls.matching, newest, steps)
    rollups.add_counts(counted, figures.steps)
    counted_since = figures.counted_since if figures.has_more else None
    bars = rollups.build_bars(counted, since, until, step)
    if counted_since:
        since = min(counted_since.astimezone(UTC), until - MIN_RANGE)
        bars = _begin_at(since, bars)
    notes = {"scanned_since": None if counted_since else newest.scanned, "counted_since": counted_since}
    chart = _build_chart(bars, step, since, until, _keep_filters(calls), scanned=calls.max_scanned, **notes)
    return LogFigures(chart, figures, None if newest.scanned and not figures.has_more else figures.counted, sampled)


def _begin_at(since: datetime, bars: list[Bar]) -> list[Bar]:
    """Return the bars without those that end by then; the first begins then."""
    first = next((number for number in range(len(bars) - 1, 0, -1) if bars[number].start <= since), 0)
    return [bars[first]._replace(start=max(bars[first].start, since)), *bars[first + 1 :]]


def _choose_step(since: datetime, until: datetime) -> timedelta:
    return next((step for longest, step in STEPS if until - since <= longest), MAX_STEP)


def _build_chart(
    bars: list[Bar], step: timedelta, since: datetime, until: datetime, filters: Mapping[str, str], **fields: Any
) -> Chart:
    allowed, denied = sum(bar.allowed for bar in bars), sum(bar.denied for bar in bars)
    shapes = draw_bars(bars, step, reverse("log-list"), filters)
    return Chart(shapes, build_scale(bars), build_times(bars, step), step, since, until, allowed, denied, **fields)
