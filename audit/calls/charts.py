"""A chart of allowed and denied calls over time, as the shapes of an SVG; server-side, so that it needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from audit.calls import rollups
from audit.calls.aggregates import count_by_step, get_scanned_range
from audit.calls.rollups import Bar
from core.filters.time_range import LogFilter

WIDTH, HEIGHT = 720, 96  # of the drawing, in its own units
# The step of a range of at most so long.
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
# Filters that sums are narrowed by; by any other the rows themselves are counted.
ROLLUP_FILTERS = ("api", "key_id", "reason", "decision")


class BarShape(NamedTuple):
    """One bar: where it stands, how high its two parts are, and what it says."""

    x: float
    width: float
    allowed: float
    denied: float
    top: float
    base: float
    label: str


@dataclass(frozen=True)
class Chart:
    """`cut` and `head_cut` are those of rollups.Bars; `scanned_since` is the time before which no rows were looked at,
    where the range goes further back; `recent`: of the whole log, of which only the last days are shown."""

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
        """What there is to see, for who does not see it."""
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        return f"Calls from {span}: {self.allowed:,} allowed, {self.denied:,} denied"


def build_log_chart(account_id: int, calls: LogFilter) -> Chart:
    """Return the chart of the calls that the log's list shows; of the whole log, only those of the last 30 days."""
    until = (calls.until or timezone.now()).astimezone(UTC)
    narrowed, others = split_filters(calls)
    if others:
        return _build_from_rows(calls, until)
    recent = not (calls.since or narrowed)
    first = calls.since or (rollups.get_first_hour(account_id=account_id, **narrowed) if narrowed else None)
    since = first.astimezone(UTC) if first and first < until else until - DEFAULT_RANGE
    return _build_from_rollups(account_id, since, until, recent=recent, **narrowed)


def split_filters(calls: LogFilter) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return by which of the page's filters sums can be narrowed, and the labels of the others that are on."""
    narrowed = {name: value for name in ROLLUP_FILTERS if (value := calls.form.cleaned_data.get(name))}
    used = {*ROLLUP_FILTERS, "range", "from", "to", "zone"}
    # A key's API ID may be given in two places; sums can be of one key alone.
    if (key_id := getattr(calls, "api_id", "")) and narrowed.setdefault("key_id", key_id) == key_id:
        used.add("key")
    return narrowed, tuple(str(calls.form[name].label) for name in calls.active if name not in used)


def build_key_chart(account_id: int, key_id: str) -> Chart:
    """Return the chart of one key over the last 30 days."""
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
    """By filters that sums know nothing of: from the newest rows, as many as a page of the list looks at."""
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


def _build_chart(bars: list[Bar], since: datetime, until: datetime, **said: Any) -> Chart:
    highest = max((bar.allowed + bar.denied for bar in bars), default=0)
    allowed, denied = sum(bar.allowed for bar in bars), sum(bar.denied for bar in bars)
    shapes = [_build_shape(bar, place, len(bars), highest) for place, bar in enumerate(bars)]
    return Chart(shapes, since, until, allowed, denied, **said)


def _build_shape(bar: Bar, place: int, count: int, highest: int) -> BarShape:
    slot = WIDTH / count
    allowed, denied = ((part / highest * HEIGHT if highest else 0) for part in (bar.allowed, bar.denied))
    # A few among very many are still seen.
    allowed, denied = (max(part, 1.5) if some else 0 for part, some in ((allowed, bar.allowed), (denied, bar.denied)))
    label = f"{bar.start:%Y-%m-%d %H:%M} UTC: {bar.allowed:,} allowed, {bar.denied:,} denied"
    top = max(HEIGHT - allowed - denied, 0)
    numbers = ((place + 0.1) * slot, slot * 0.8, allowed, denied, top, top + denied)
    x, width, allowed, denied, top, base = (round(number, 2) for number in numbers)
    return BarShape(x, width, allowed, denied, top, base, label)
