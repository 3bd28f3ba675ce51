"""Build the chart of allowed and denied calls over time, as the shapes of an SVG that needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from audit.calls import rollups
from audit.calls.aggregates import count_by_step, get_scanned_range
from audit.calls.rollups import Bar
from core.filters.time_range import LogFilter

WIDTH, HEIGHT = 720, 96  # of the SVG's viewBox
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


class BarShape(NamedTuple):
    """One bar in units of the viewBox: the height of its two parts, where each begins, and its label."""

    x: float
    width: float
    allowed: float
    denied: float
    top: float
    base: float
    label: str


@dataclass(frozen=True)
class Chart:
    """`cut` and `head_cut` are those of rollups.Bars; `scanned_since` is the time of the oldest row scanned if the
    range begins earlier; `recent` says that no range was asked for, so that only the last DEFAULT_RANGE is shown."""

    shapes: list[BarShape]
    since: datetime
    until: datetime
    allowed: int
    denied: int
    cut: datetime | None = None
    head_cut: datetime | None = None
    scanned_since: datetime | None = None
    recent: bool = False

    @property
    def label(self) -> str:
        """The chart in words, for screen readers."""
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        return f"Calls from {span}: {self.allowed:,} allowed, {self.denied:,} denied"


def build_log_chart(account_id: int, calls: LogFilter) -> Chart:
    """Return the chart of the calls that pass the filters; without any, of the last DEFAULT_RANGE."""
    until = (calls.until or timezone.now()).astimezone(UTC)
    narrowed, others = split_filters(calls)
    if others:
        return _build_from_rows(calls, until)
    recent = not (calls.since or narrowed)
    first = calls.since or (rollups.get_first_hour(account_id=account_id, **narrowed) if narrowed else None)
    since = first.astimezone(UTC) if first and first < until else until - DEFAULT_RANGE
    return _build_from_rollups(account_id, since, until, recent=recent, **narrowed)


def split_filters(calls: LogFilter) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the active filters that rollups know, by name, and the labels of the other active filters."""
    narrowed = {name: value for name in ROLLUP_FILTERS if (value := calls.form.cleaned_data.get(name))}
    used = {*ROLLUP_FILTERS, "range", "from", "to", "zone"}
    # A key's API ID may be given in two fields; rollups can be narrowed to one key only.
    if (key_id := getattr(calls, "api_id", "")) and narrowed.setdefault("key_id", key_id) == key_id:
        used.add("key")
    return narrowed, tuple(str(calls.form[name].label) for name in calls.active if name not in used)


def build_key_chart(account_id: int, key_id: str) -> Chart:
    """Return the chart of one key over the last DEFAULT_RANGE."""
    until = timezone.now()
    return _build_from_rollups(account_id, until - DEFAULT_RANGE, until, key_id=key_id)


def _build_from_rollups(
    account_id: int, since: datetime, until: datetime, *, recent: bool = False, **narrowed: Any
) -> Chart:
    bars, cut, head_cut = rollups.get_bars(
        account_id=account_id, since=since, until=until, step=_choose_step(since, until), **narrowed
    )
    return _build_chart(bars, since, until, cut=cut, head_cut=head_cut, recent=recent)


def _build_from_rows(calls: LogFilter, until: datetime) -> Chart:
    """Count the newest rows, at most MAX_ROWS_SCANNED, by filters that rollups do not know."""
    scanned_since, first = get_scanned_range(calls.qs, calls.matching)
    since = (scanned_since or calls.since or first or until - DEFAULT_RANGE).astimezone(UTC)
    since = min(since, until - MIN_RANGE)
    step = _choose_step(since, until)
    counted: rollups.Counted = {}
    origin = rollups.get_origin(since, step)
    rollups.add_counts(counted, count_by_step(calls.qs, calls.matching, since, origin, step))
    return _build_chart(rollups.build_bars(counted, since, until, step), since, until, scanned_since=scanned_since)


def _choose_step(since: datetime, until: datetime) -> timedelta:
    return next((step for longest, step in STEPS if until - since <= longest), MAX_STEP)


def _build_chart(bars: list[Bar], since: datetime, until: datetime, **fields: Any) -> Chart:
    highest = max((bar.allowed + bar.denied for bar in bars), default=0)
    allowed, denied = sum(bar.allowed for bar in bars), sum(bar.denied for bar in bars)
    shapes = [_build_shape(bar, place, len(bars), highest) for place, bar in enumerate(bars)]
    return Chart(shapes, since, until, allowed, denied, **fields)


def _build_shape(bar: Bar, place: int, count: int, highest: int) -> BarShape:
    slot = WIDTH / count
    allowed, denied = ((part / highest * HEIGHT if highest else 0) for part in (bar.allowed, bar.denied))
    # A few among very many must stay visible.
    allowed, denied = (max(part, 1.5) if count else 0 for part, count in ((allowed, bar.allowed), (denied, bar.denied)))
    label = f"{bar.start:%Y-%m-%d %H:%M} UTC: {bar.allowed:,} allowed, {bar.denied:,} denied"
    top = max(HEIGHT - allowed - denied, 0)
    numbers = ((place + 0.1) * slot, slot * 0.8, allowed, denied, top, top + denied)
    x, width, allowed, denied, top, base = (round(number, 2) for number in numbers)
    return BarShape(x, width, allowed, denied, top, base, label)
