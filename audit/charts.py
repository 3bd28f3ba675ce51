"""A chart of allowed and denied calls over time, as the shapes of an SVG; server-side, so that it needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from audit import rollups
from audit.filters import LogFilter
from audit.rollups import Bar

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
LONGEST_STEP = timedelta(days=30)
USUAL = timedelta(days=30)
# Filters that a chart counts by; others it leaves out, and says so.
COUNTED = ("api", "key_id", "reason", "decision")


class Shape(NamedTuple):
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
    """`cut` is the time before which the newest calls were not counted; `left_out` names filters that were not used."""

    shapes: list[Shape]
    since: datetime
    until: datetime
    allowed: int
    denied: int
    highest: int
    cut: datetime | None
    left_out: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What there is to see, for who does not see it."""
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        return f"Calls from {span}: {self.allowed:,} allowed, {self.denied:,} denied"


def of_log(account_id: int, calls: LogFilter) -> Chart:
    """Of the range and filters of the log's page; of the last 30 days where it has no range."""
    until = (calls.until or timezone.now()).astimezone(UTC)
    since = calls.since.astimezone(UTC) if calls.since else until - USUAL
    narrowed, left_out = narrowing(calls)
    return _chart(account_id, since, until, left_out, **narrowed)


def narrowing(calls: LogFilter) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which of the page's filters sums can be narrowed by, and the labels of the others that are on."""
    narrowed = {name: value for name in COUNTED if (value := calls.form.cleaned_data.get(name))}
    if key_id := getattr(calls, "api_id", ""):
        narrowed["key_id"] = key_id
    used = {*COUNTED, "range", "from", "to", "zone", *(("key",) if key_id else ())}
    return narrowed, tuple(str(calls.form[name].label) for name in calls.active if name not in used)


def of_key(account_id: int, key_id: str) -> Chart:
    """Of one key over the last 30 days."""
    until = timezone.now()
    return _chart(account_id, until - USUAL, until, (), key_id=key_id)


def _chart(account_id: int, since: datetime, until: datetime, left_out: tuple[str, ...], **narrowed: str) -> Chart:
    step = next((step for longest, step in STEPS if until - since <= longest), LONGEST_STEP)
    # Sums are of whole hours; days begin at midnight, UTC.
    whole = min(max(step, timedelta(minutes=1)), timedelta(days=1))
    since = _floor(since, whole)
    bars, cut = rollups.bars(account_id=account_id, since=since, until=until, step=step, **narrowed)
    highest = max((bar.allowed + bar.denied for bar in bars), default=0)
    allowed, denied = sum(bar.allowed for bar in bars), sum(bar.denied for bar in bars)
    shapes = [_shape(bar, place, len(bars), highest) for place, bar in enumerate(bars)]
    return Chart(shapes, since, until, allowed, denied, highest, cut, left_out)


def _shape(bar: Bar, place: int, count: int, highest: int) -> Shape:
    slot = WIDTH / count
    allowed, denied = ((part / highest * HEIGHT if highest else 0) for part in (bar.allowed, bar.denied))
    # A few among very many are still seen.
    allowed, denied = (max(part, 1.5) if some else 0 for part, some in ((allowed, bar.allowed), (denied, bar.denied)))
    label = f"{bar.start:%Y-%m-%d %H:%M} UTC: {bar.allowed:,} allowed, {bar.denied:,} denied"
    top = max(HEIGHT - allowed - denied, 0)
    numbers = ((place + 0.1) * slot, slot * 0.8, allowed, denied, top, top + denied)
    x, width, allowed, denied, top, base = (round(number, 2) for number in numbers)
    return Shape(x, width, allowed, denied, top, base, label)


def _floor(at: datetime, step: timedelta) -> datetime:
    beginning = datetime(2000, 1, 1, tzinfo=UTC)
    return at - (at - beginning) % step
