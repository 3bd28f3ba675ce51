"""The part of a key's form that says how often its secret is changed by itself."""

from __future__ import annotations

from typing import Any

from django import forms

from keys.apis.policy import Policy
from keys.forms.fields import set_choices
from keys.models import Key
from keys.rotation_schedule import SCHEDULED_OVERLAPS, Overlap, RotationSchedule

INTERVALS = (30, 60, 90, 180, 365)


class RotationScheduleForm(forms.Form):
    scheduled_rotation = forms.ChoiceField(
        required=False,
        help_text=(
            "The secret is changed when it reaches this age. Administrators can read the new one with Show token while "
            "the old one still works."
        ),
    )
    rotation_overlap = forms.ChoiceField(
        label="After each rotation, keep the old secret working for",
        choices=[(each.value, each.label) for each in SCHEDULED_OVERLAPS],
        initial=Overlap.WEEK,
        required=False,
    )

    def offer_schedules(self, rules: Policy, key: Key | None) -> None:
        """Set the choices, or remove the fields where there is none. A schedule that the policy no longer offers can
        be kept or ended."""
        current = key.scheduled_rotation if key else None
        if not rules.offers_rotation and current is None:
            del self.fields["scheduled_rotation"], self.fields["rotation_overlap"]
            return
        days = {*(INTERVALS if rules.offers_rotation else ()), *([current.days] if current else ())}
        choices = [("", "Never"), *((str(each), f"Every {each} days") for each in sorted(days))]
        set_choices(self.fields["scheduled_rotation"], choices)
        if current:
            self.fields["scheduled_rotation"].initial = str(current.days)
            self.fields["rotation_overlap"].initial = current.overlap

    def read_schedule(self, cleaned: dict[str, Any]) -> RotationSchedule | None:
        """Return the schedule chosen, or None."""
        days = cleaned.get("scheduled_rotation")
        return RotationSchedule(int(days), Overlap(cleaned.get("rotation_overlap") or Overlap.WEEK)) if days else None
