"""The ratios that benchmarks return: their last lines, saved runs, and what has moved since a saved run."""

from __future__ import annotations

import json
import os
import platform
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import format_table
from benchmarks.sizes import Size
from config.places import read_version

# Of the value of a ratio that was measured once.
UNKNOWN_NOISE = 0.1
RESAMPLES = 1000


@dataclass(frozen=True)
class Ratio:
    """A figure and the samples of which it is the median. One with bounds is printed as a last line."""

    name: str
    samples: Sequence[float]
    must: float | None = None
    aim: float | None = None
    line: str = "{name}: {value:.2f} (must {must:g}, aim {aim:g})"

    @property
    def value(self) -> float:
        return median(self.samples)

    def format_line(self) -> str:
        return self.line.format(name=self.name, value=self.value, must=self.must, aim=self.aim)

    def get_noise(self) -> tuple[float, float]:
        """Return bounds of the value: of 90 % of the medians of as many samples drawn at random from these."""
        if len(self.samples) == 1:
            return self.value * (1 - UNKNOWN_NOISE), self.value * (1 + UNKNOWN_NOISE)
        draw = random.Random(0).choices
        medians = sorted(median(draw(self.samples, k=len(self.samples))) for _ in range(RESAMPLES))
        return medians[RESAMPLES // 20], medians[-RESAMPLES // 20]


def save(path: Path, ratios: Sequence[Ratio], size: Size) -> None:
    """Add the ratios to the file of a saved run, with the date, the version and the machine of each."""
    saved = json.loads(path.read_text()) if path.exists() else {}
    for ratio in ratios:
        low, high = ratio.get_noise()
        saved[ratio.name] = {
            "value": round(ratio.value, 3),
            "low": round(low, 3),
            "high": round(high, 3),
            **({} if ratio.must is None else {"must": ratio.must, "aim": ratio.aim}),
            "size": size.value,
            **describe_run(),
        }
    path.write_text(json.dumps(saved, indent=1, sort_keys=True) + "\n")


def describe_run() -> dict[str, str]:
    """Return the date, Keyward's version, the machine's size and how busy it was in the last 15 minutes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "version": read_version(),
        "machine": f"{cores} cores, {memory:.0f} GB, Python {platform.python_version()}, load {os.getloadavg()[2]:.0f}",
    }


def format_comparison(ratios: Sequence[Ratio], saved: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of the ratios beside those of a saved run. A ratio has moved if the bounds of its noise and those
    of the saved one have nothing in common."""
    rows = []
    for ratio in ratios:
        low, high = ratio.get_noise()
        if (before := saved.get(ratio.name)) is None:
            rows.append((ratio.name, "", f"{ratio.value:.2f}", "not in the saved run"))
            continue
        moved = low > before["high"] or high < before["low"]
        factor = ratio.value / before["value"] if before["value"] else float("inf")
        verdict = f"MOVED, {factor:.2f} times" if moved else "within noise"
        cells = (f"{before['value']:.2f} ({before['low']:.2f} to {before['high']:.2f})", f"{low:.2f} to {high:.2f}")
        rows.append((ratio.name, cells[0], f"{ratio.value:.2f} ({cells[1]})", verdict))
    return format_table(("ratio", "saved", "now", ""), rows)
