"""Counters of the portal. All processes share memory that is mapped before they fork; each writes a row of its own, so
that any of them can report the sums. No label names a key, an account, a user or an address."""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from audit.trail.events import CATALOGUE

STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
# Upper bounds of the histogram of request durations, in seconds.
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Requests that no route answered: static files, health checks, URLs that do not exist.
NO_ROUTE = ""
MAILS = ("sent", "failed")
EVENTS = tuple(CATALOGUE)
ROWS, WIDTH = 64, 4096

_shared = memoryview(mmap.mmap(-1, ROWS * WIDTH * 8)).cast("d")
_lock = threading.Lock()
_row = 0


def use_row(worker: int) -> None:
    """Count in this worker's row from now on; `worker` is its number since the server started."""
    global _row
    _row = worker % ROWS


def count_request(route: str, status: int, seconds: float) -> None:
    routes = _list_routes()
    position = routes.get(route, routes[NO_ROUTE])
    first = _get_offsets()["seconds"]
    _add(position * len(STATUS_CLASSES) + min(max(status // 100, 1), 5) - 1, 1)
    _add(first + bisect_left(SECONDS, seconds), 1)
    _add(first + len(SECONDS) + 1, seconds)


def count_event(name: str) -> None:
    _add(_get_offsets()["events"] + EVENTS.index(name), 1)


def count_mail(result: str) -> None:
    _add(_get_offsets()["mails"] + MAILS.index(result), 1)


class PortalCollector:
    """Collect the sums of all rows for prometheus-client."""

    def collect(self) -> Iterable[Metric]:
        offsets = _get_offsets()
        sums = [sum(_shared[row * WIDTH + cell] for row in range(ROWS)) for cell in range(offsets["end"])]
        requests = CounterMetricFamily("keyward_portal_requests", "Requests", labels=("route", "status"))
        for route, position in _list_routes().items():
            for place, status in enumerate(STATUS_CLASSES):
                if value := sums[position * len(STATUS_CLASSES) + place]:
                    requests.add_metric((route, status), value)
        yield requests
        first = offsets["seconds"]
        names = [*(str(bound) for bound in SECONDS), "+Inf"]
        counts = accumulate(sums[first : first + len(names)])
        buckets = list(zip(names, counts, strict=True))
        text = "Seconds from a complete request to the beginning of its response"
        yield HistogramMetricFamily("keyward_portal_request_seconds", text, buckets, sums[first + len(names)])
        yield _build_counter("events", "Events of the trail recorded by the portal", "event", EVENTS, sums, offsets)
        yield _build_counter("mails", "E-mails, by outcome", "result", MAILS, sums, offsets)


def _build_counter(
    name: str, text: str, label: str, values: tuple[str, ...], sums: list[float], offsets: dict[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"keyward_portal_{name}", text, labels=(label,))
    for place, value in enumerate(values):
        family.add_metric((value,), sums[offsets[name] + place])
    return family


def _add(cell: int, value: float) -> None:
    with _lock:
        _shared[_row * WIDTH + cell] += value


@cache
def _get_offsets() -> dict[str, int]:
    """Return the first cell of each metric, the same in every process; those of requests start at 0."""
    seconds = len(_list_routes()) * len(STATUS_CLASSES)
    events = seconds + len(SECONDS) + 2
    mails = events + len(EVENTS)
    assert mails + len(MAILS) <= WIDTH, "WIDTH is too small for the routes and events that there are"
    return {"seconds": seconds, "events": events, "mails": mails, "end": mails + len(MAILS)}


@cache
def _list_routes() -> dict[str, int]:
    """Return the name of each route with its position."""
    names = sorted({NO_ROUTE, *_walk(get_resolver().url_patterns, "")})
    return {name: position for position, name in enumerate(names)}


def _walk(patterns: Iterable[Any], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(
                pattern.url_patterns, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            )
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield namespace + pattern.name
