"""Draw counts over time as an SVG that needs no script: bars, a scale and times, in percent of the drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from audit.calls.rollups import Bar

MIN_HEIGHT = 1.5  # percent: a few among very many must stay visible
MAX_TIMES = 6  # along the axis
DAY = timedelta(days=1)
STEP_UNITS = ((timedelta(days=7), "week"), (DAY, "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


class BarShape(NamedTuple):
    """One bar in percent: its place, the height of its two parts, and where each begins from the top. `url` leads to
    the calls of its step."""

    start: datetime
    end: datetime
    allowed: int
    denied: int
    x: float
    width: float
    allowed_height: float
    denied_height: float
    top: float
    base: float
    url: str

    @property
    def cell_values(self) -> dict[str, str | bool]:
        """The flags and texts of templates/components/_chart_bar.html."""
        counts = f"{self.allowed:,} allowed, {self.denied:,} denied"
        return {
            **self._link,
            "label": SafeString(f"{self._span}: {counts}"),
            "counts": SafeString(counts),
            "has_allowed": self.allowed > 0,
            "has_denied": self.denied > 0,
            "slot": SafeString(round(self.x - self.width / 8, 2)),
            "slot_width": SafeString(round(self.width * 1.25, 2)),
            "x": SafeString(self.x),
            "width": SafeString(self.width),
            "base": SafeString(self.base),
            "top": SafeString(self.top),
            "allowed_height": SafeString(self.allowed_height),
            "denied_height": SafeString(self.denied_height),
        }

    @property
    def table_values(self) -> dict[str, str | bool]:
        """The texts of templates/components/_chart_row.html."""
        return {
            **self._link,
            "span": SafeString(self._span),
            "allowed": SafeString(f"{self.allowed:,}"),
            "denied": SafeString(f"{self.denied:,}"),
        }

    @property
    def _link(self) -> dict[str, str]:
        # Numbers and times need no escaping, which would take most of the time of a bar.
        since, until = SafeString(self.start.isoformat()), SafeString(self.end.isoformat())
        return {"url": self.url, "since": since, "until": until}

    @property
    def _span(self) -> str:
        return f"{format_time(self.start)} to {format_time(self.end)} UTC"


class AxisTime(NamedTuple):
    """A time along the axis: where it stands in percent, and its text in UTC, a day or a time of day."""

    at: datetime
    x: float
    kind: str
    text: str


@dataclass(frozen=True)
class Chart:
    """`cut` and `head_cut` are those of rollups.Bars; `scanned_since` is the time of the oldest of the `scanned` rows
    if the range begins earlier, `counted_since` that of the oldest row counted if more pass than are counted; `recent`
    says that no range was asked for, so that only the last DEFAULT_RANGE is shown. `scale` has the numbers beside the
    drawing, from the top."""

    shapes: list[BarShape]
    scale: tuple[str, str, str]
    times: list[AxisTime]
    step: timedelta
    since: datetime
    until: datetime
    allowed: int
    denied: int
    cut: datetime | None = None
    head_cut: datetime | None = None
    scanned_since: datetime | None = None
    scanned: int = 0
    counted_since: datetime | None = None
    recent: bool = False

    @property
    def bar_values(self) -> list[dict[str, str | bool]]:
        """What the bars are drawn from."""
        return [shape.cell_values for shape in self.shapes]

    @property
    def table_values(self) -> list[dict[str, str | bool]]:
        """What the rows of the chart's table show."""
        return [shape.table_values for shape in self.shapes]

    @property
    def unit(self) -> str:
        """What a bar counts: "Calls per day", "Calls per 6 hours"."""
        size, name = next((unit for unit in STEP_UNITS if self.step >= unit[0]), (timedelta(seconds=1), "second"))
        count = self.step // size
        return f"Calls per {name}" if count == 1 else f"Calls per {count} {name}s"

    @property
    def label(self) -> str:
        """The chart in words, for screen readers."""
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        return f"Calls from {span}: {self.allowed:,} allowed, {self.denied:,} denied"


def draw_bars(bars: Sequence[Bar], step: timedelta, log_url: str, filters: Mapping[str, str]) -> list[BarShape]:
    """Return the shapes of the bars. Their links lead to the log at `log_url` with the `filters` and the bar's
    time range."""
    top = get_scale_top(max((bar.allowed + bar.denied for bar in bars), default=0))
    ends = [bar.start for bar in bars[1:]] + [bars[-1].start + step] if bars else []
    prefix = f"{log_url}?{urlencode([*filters.items(), ('from', '')])}"
    return [
        _draw_bar(bar, end, index, len(bars), top, f"{prefix}{_quote_time(bar.start)}&to={_quote_time(end)}")
        for index, (bar, end) in enumerate(zip(bars, ends, strict=True))
    ]


def _quote_time(at: datetime) -> str:
    return format_field(at).replace(":", "%3A")


def _draw_bar(bar: Bar, end: datetime, index: int, count: int, top: int, url: str) -> BarShape:
    slot = 100 / count
    allowed, denied = (max(part / top * 100, MIN_HEIGHT) if part else 0 for part in (bar.allowed, bar.denied))
    upper = max(100 - allowed - denied, 0)
    numbers = ((index + 0.1) * slot, slot * 0.8, allowed, denied, upper, upper + denied)
    x, width, allowed, denied, upper, base = (round(number, 2) for number in numbers)
    return BarShape(bar.start, end, bar.allowed, bar.denied, x, width, allowed, denied, upper, base, url)


def get_scale_top(highest: int) -> int:
    """Return the number at the top of the scale: the next of 1, 2, 4, 6, 8, 10, 20, 40, ... that is not lower."""
    size = 1
    while highest > 10 * size:
        size *= 10
    return next(digit * size for digit in (1, 2, 4, 6, 8, 10) if digit * size >= highest)


def build_scale(bars: Sequence[Bar]) -> tuple[str, str, str]:
    """Return the numbers at the top, in the middle, which is empty between 0 and 1, and at the bottom."""
    top = get_scale_top(max((bar.allowed + bar.denied for bar in bars), default=0))
    return f"{top:,}", f"{top // 2:,}" if top > 1 else "", "0"


def build_times(bars: Sequence[Bar], step: timedelta) -> list[AxisTime]:
    """Return at most MAX_TIMES times along the axis, evenly, each in the middle of its bar."""
    interval = -(-len(bars) // MAX_TIMES) or 1
    kind = "day" if step >= DAY else "minute" if step < timedelta(hours=1) else "hour"
    texts = {"day": "%-d %b", "hour": "%-d %b %H:%M", "minute": "%H:%M"}
    return [
        AxisTime(bar.start, round((place + 0.5) * 100 / len(bars), 2), kind, f"{bar.start:{texts[kind]}}")
        for place, bar in enumerate(bars)
        if place % interval == interval // 2
    ]


def format_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" + (f":{at:%S}" if at.second else "")


def format_field(at: datetime) -> str:
    """Return the time in UTC as the fields From and To hold it."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M}" + (f":{at:%S}" if at.second else "")
