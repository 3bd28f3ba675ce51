"""How often a key's secret is changed by itself, and how long the old one then works beside the new one."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from django.db import models

# Longer than every overlap, so that one has ended when the next begins.
MIN_ROTATION_DAYS = 14
MAX_ROTATION_DAYS = 730


class Overlap(models.TextChoices):
    """How long the old secret still works."""

    NONE = "none", "None"
    HOUR = "1h", "1 hour"
    DAY = "24h", "24 hours"
    WEEK = "7d", "7 days"

    @property
    def duration(self) -> timedelta:
        return {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}.get(self, timedelta())


# Nobody waits for a scheduled rotation, so it leaves at least a day to fetch the new secret.
SCHEDULED_OVERLAPS = (Overlap.DAY, Overlap.WEEK)


class RotationSchedule(NamedTuple):
    """The secret is changed when it is `days` old."""

    days: int
    overlap: Overlap

    @property
    def interval(self) -> str:
        return f"every {self.days} days"

    def __str__(self) -> str:
        return f"{self.interval}, overlap {self.overlap.label.lower()}"

    def find_problem(self) -> str | None:
        """Return what is wrong with the schedule, in words for the user who chose it, or None."""
        if not MIN_ROTATION_DAYS <= self.days <= MAX_ROTATION_DAYS:
            return f"{self.days} days is not possible. Choose {MIN_ROTATION_DAYS} to {MAX_ROTATION_DAYS} days."
        if self.overlap not in SCHEDULED_OVERLAPS:
            labels = " or ".join(each.label for each in SCHEDULED_OVERLAPS)
            return f"The old secret must work for {labels} after a scheduled rotation. Choose one of them."
        return None
