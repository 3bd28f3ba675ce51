"""The scale, the times and the bars of the chart of calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.calls.chart_shapes import Chart, build_scale, build_times, draw_bars, get_scale_top
from audit.calls.rollups import Bar, build_bars

START = datetime(2026, 10, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def make_bars(*counts: tuple[int, int], step: timedelta = HOUR) -> list[Bar]:
    return [Bar(START + place * step, *pair) for place, pair in enumerate(counts)]


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (1, 1), (2, 2), (3, 4), (9, 10), (10, 10), (11, 20), (125, 200), (61_000, 80_000)]
)
def test_the_scale_ends_at_a_round_number_above_the_highest(highest: int, top: int) -> None:
    assert get_scale_top(highest) == top


def test_the_scale_has_whole_numbers() -> None:
    assert build_scale(make_bars((3, 1))) == ("4", "2", "0")
    assert build_scale(make_bars((0, 0))) == ("1", "", "0")
    assert build_scale(make_bars((1_500, 0))) == ("2,000", "1,000", "0")


def test_bars_stand_on_the_axis_and_lead_to_their_calls() -> None:
    [first, second] = draw_bars(make_bars((3, 1), (0, 0)), HOUR, "/logs/", {"api": "billing"})

    assert (first.allowed_height, first.denied_height, first.top, first.base) == (75, 25, 0, 25)
    assert first.url == "/logs/?api=billing&from=2026-10-05T00%3A00&to=2026-10-05T01%3A00"
    assert first.cell_values["label"] == "2026-10-05 00:00 to 2026-10-05 01:00 UTC: 3 allowed, 1 denied"
    assert (second.allowed_height, second.end) == (0, START + 2 * HOUR)


def test_a_few_among_very_many_stay_visible() -> None:
    [bar] = draw_bars(make_bars((1_000_000, 1)), HOUR, "/logs/", {})

    assert bar.denied_height >= 1


@pytest.mark.parametrize(
    ("step", "unit", "text"),
    [
        (timedelta(seconds=30), "Calls per 30 seconds", "00:01"),
        (HOUR, "Calls per hour", "5 Oct 02:00"),
        (6 * HOUR, "Calls per 6 hours", "5 Oct 12:00"),
        (DAY, "Calls per day", "7 Oct"),
        (7 * DAY, "Calls per week", "19 Oct"),
    ],
)
def test_axis_and_unit_follow_the_step(step: timedelta, unit: str, text: str) -> None:
    bars = make_bars(*[(1, 0)] * 24, step=step)
    times = build_times(bars, step)

    assert (len(times), times[0].text) == (6, text)
    assert Chart([], ("", "", ""), times, step, START, START, 0, 0).unit == unit


def test_no_bar_ends_before_the_range_begins() -> None:
    since = datetime(2026, 11, 30, 6, 22, 40, tzinfo=UTC)
    bars = build_bars({}, since, since + timedelta(seconds=80), timedelta(seconds=30))
    assert [bar.start.second for bar in bars] == [40, 0, 30]
    assert bars[0].start == since
    shapes = draw_bars(bars, timedelta(seconds=30), "/logs/", {})
    assert all(shape.start < shape.end for shape in shapes)
