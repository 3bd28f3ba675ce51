"""Counters of the gateway for Prometheus.

All processes share memory that is mapped before they are forked; each writes a row of its own. Counting is an addition,
any process can report all rows, and the counts survive a killed process. No label names a key, an account or an
address.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from keys.decision.access import PREFLIGHT, STATUS

# Upper bounds: seconds of an answer, calls of a batch.
SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NO_REASON = ""
REASONS = (NO_REASON, PREFLIGHT, *STATUS, "gateway_secret", "unknown_api")

_REASON = {reason: cell for cell, reason in enumerate(REASONS)}
# The cells of a row: decisions by reason, two histograms each followed by its sum, three counters, four gauges.
_SECONDS = len(REASONS)
_SECONDS_SUM = _SECONDS + len(SECONDS) + 1
_CALLS = _SECONDS_SUM + 1
_CALLS_SUM = _CALLS + len(CALLS) + 1
_RELOADS, _MISSES, _EVICTED, _ENTRIES, _QUEUE, _CONNECTIONS, _PROCESS = range(_CALLS_SUM + 1, _CALLS_SUM + 8)
WIDTH = _PROCESS + 1
ROWS = 128

_SHARED = memoryview(mmap.mmap(-1, ROWS * WIDTH * 8)).cast("d")


class Metrics:
    """The counts of one process, in private memory until it is given a row of the shared memory."""

    def __init__(self) -> None:
        self._cells: memoryview[float] = memoryview(bytearray(WIDTH * 8)).cast("d")
        self._evicted_before = 0.0

    def use_shared_row(self, row: int) -> None:
        """Continue the counts of the process that had this row before."""
        self._cells = _get_row(row)
        self._cells[_ENTRIES] = self._cells[_QUEUE] = self._cells[_CONNECTIONS] = 0.0
        self._evicted_before = self._cells[_EVICTED]
        self._cells[_PROCESS] = os.getpid()

    def observe_decision(self, reason: str, seconds: float) -> None:
        """Count a decision and the seconds that it took."""
        cells = self._cells
        cells[_REASON[reason]] += 1.0
        cells[_SECONDS + bisect_left(SECONDS, seconds)] += 1.0
        cells[_SECONDS_SUM] += seconds

    def observe_batch(self, calls: int, *, queue: int, entries: int) -> None:
        """Count a batch of so many calls; set the length of the queue behind it and the entries in memory."""
        cells = self._cells
        cells[_CALLS + bisect_left(CALLS, calls)] += 1.0
        cells[_CALLS_SUM] += calls
        cells[_QUEUE], cells[_ENTRIES] = queue, entries

    def count_reload(self) -> None:
        self._cells[_RELOADS] += 1.0

    def set_connections(self, connections: int, *, evicted: int) -> None:
        """Set the number of open connections, and of those evicted since this process began."""
        self._cells[_CONNECTIONS], self._cells[_EVICTED] = connections, self._evicted_before + evicted

    def count_guard_miss(self) -> None:
        """Count a batch that was decided again because the epoch had moved."""
        self._cells[_MISSES] += 1.0


def _get_row(row: int) -> memoryview[float]:
    return _SHARED[row * WIDTH : (row + 1) * WIDTH]


class GatewayCollector:
    """Collects the sums of all rows for prometheus-client."""

    def collect(self) -> Iterable[Metric]:
        rows = [_get_row(row) for row in range(ROWS) if _get_row(row)[_PROCESS]]
        sums: list[float] = [sum(row[cell] for row in rows) for cell in range(WIDTH)]
        decisions = CounterMetricFamily(
            "keyward_gateway_decisions", "Answers, by decision and reason", labels=("decision", "reason")
        )
        for reason, cell in _REASON.items():
            decisions.add_metric(("allowed" if reason in (NO_REASON, PREFLIGHT) else "denied", reason), sums[cell])
        yield decisions
        yield _build_histogram(
            "verify_seconds", "Seconds from a complete request to its response", SECONDS, sums, _SECONDS
        )
        yield _build_histogram("batch_calls", "Calls decided and inserted in one batch", CALLS, sums, _CALLS)
        yield CounterMetricFamily("keyward_gateway_epoch_reloads", "Reloads of changed entries", value=sums[_RELOADS])
        yield CounterMetricFamily(
            "keyward_gateway_guard_misses", "Batches decided again because the epoch had moved", value=sums[_MISSES]
        )
        yield CounterMetricFamily(
            "keyward_gateway_evicted_connections",
            "Unauthenticated connections closed because there were too many connections",
            value=sums[_EVICTED],
        )
        live_rows = [row for row in rows if _is_alive(int(row[_PROCESS]))]
        yield GaugeMetricFamily("keyward_gateway_processes", "Running processes", value=len(live_rows))
        for name, text, cell in (
            ("snapshot_entries", "API IDs in memory, unknown ones included, of all processes", _ENTRIES),
            ("connections", "Open connections, of all processes", _CONNECTIONS),
            ("queue_calls", "Calls that waited when the last batch began, of all processes", _QUEUE),
        ):
            value = sum(row[cell] for row in live_rows)
            yield GaugeMetricFamily(f"keyward_gateway_{name}", text, value=value)


def _build_histogram(
    name: str, text: str, bounds: Sequence[float], sums: list[float], first: int
) -> HistogramMetricFamily:
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    counts = accumulate(sums[first : first + len(names)])
    return HistogramMetricFamily(
        f"keyward_gateway_{name}", text, list(zip(names, counts, strict=True)), sums[first + len(names)]
    )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
