"""When the calls of the demo were made: by day, hour and weekday, the same at every first start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True)
class Rhythm:
    """Calls are made around `hour` (UTC), within about `spread` hours of it; at weekends their number is multiplied by
    `weekend`."""

    hour: float
    spread: float
    weekend: float


OFFICE = Rhythm(hour=12, spread=2.5, weekend=0.15)
SHOP = Rhythm(hour=15, spread=4, weekend=1.6)
NIGHTLY = Rhythm(hour=2.3, spread=0.2, weekend=1)
ALWAYS = Rhythm(hour=12, spread=100, weekend=1)


def list_times(rhythm: Rhythm, per_day: float, start: datetime, end: datetime, random: Random) -> Iterator[datetime]:
    """Yield times from `start` to before `end`, on average `per_day` on a weekday."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < end:
        target = per_day * (rhythm.weekend if midnight.weekday() >= SATURDAY else 1) * random.uniform(0.7, 1.3)
        for _ in range(int(target + random.random())):
            at = midnight + timedelta(hours=random.gauss(rhythm.hour, rhythm.spread) % 24)
            if start <= at < end:
                yield at
        midnight += DAY
