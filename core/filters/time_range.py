"""The time range, and the base of the filters of the API log, the audit trail and the digests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone

from core.filters.fields import TimeField, ZoneField, build_select, flatten_choices
from core.filters.shared import SharedFilters, SharedFilterSet
from core.filters.strict import StrictFilterForm

POSITION_FIELDS = ("after", "before", "newest", "start")
TIME_FIELDS = ("range", "from", "to", "zone")
RANGES: dict[str, tuple[str, timedelta]] = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}


class TimeFilter(django_filters.Filter):
    field_class = TimeField


class ZoneFilter(django_filters.Filter):
    field_class = ZoneField


class StartFilter(django_filters.Filter):
    """The number of the page's first row, which links to the page carry: rows before it are not counted."""

    field_class = forms.IntegerField

    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1)


class TimeRangeForm(StrictFilterForm):
    """The form of a log's filters: either a named range or From and To, which are typed in the form's time zone."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name in ("from", "to"):
            if cleaned.get(name) and cleaned[name].tzinfo is None:
                cleaned[name] = cleaned[name].replace(tzinfo=cleaned.get("zone", UTC))
        since, until = cleaned.get("from"), cleaned.get("to")
        if since and until and since >= until:
            raise ValidationError('"From" must be before "To".')
        if cleaned.get("range") and (since or until):
            raise ValidationError("Choose a time range, or From and To, not both.")
        return cleaned


class LogFilter(SharedFilterSet):
    """Filters of a log. An index serves `qs`; the condition `matching` is applied to its rows."""

    MORE: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        """Return the filters with the time fields first; declared here because `from` is a reserved word."""
        ranges = [(name, label) for name, (label, _) in RANGES.items()]
        times = {
            "range": django_filters.ChoiceFilter(
                label="Time", empty_label="Any time", choices=ranges, widget=build_select("Time range")
            ),
            "from": TimeFilter(label="From"),
            "to": TimeFilter(label="To"),
            "zone": ZoneFilter(label="Time zone"),
        }
        return SharedFilters(times | super().get_filters())

    @property
    def active(self) -> dict[str, str]:
        """Return the active filters by name, as typed, without the position."""
        names = [name for name in self.form.fields if name not in POSITION_FIELDS]
        filled = {name: self.data[name] for name in names if self.data.get(name, "").strip()}
        if not filled.keys() & {"from", "to"}:
            filled.pop("zone", None)
        return filled

    @property
    def descriptions(self) -> list[tuple[str, str]]:
        """Return the active filters as pairs of label and value for people."""
        return [(self._label(name), self._value(name, value)) for name, value in self.active.items()]

    @property
    def descriptions_without_times(self) -> dict[str, str]:
        """Return the value of each active filter by its label, without the time range: exports state that in UTC."""
        return {
            self._label(name): self._value(name, value)
            for name, value in self.active.items()
            if name not in TIME_FIELDS
        }

    def _label(self, name: str) -> str:
        return str(self.form.fields[name].label or name)

    def _value(self, name: str, value: str) -> str:
        choices = getattr(self.form.fields[name], "choices", ())
        return flatten_choices(choices).get(value, value)

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return the fields under "More filters"."""
        return [self.form[name] for name in self.MORE]

    @property
    def has_active_more(self) -> bool:
        return any(self.data.get(name) for name in self.MORE)

    @cached_property
    def since(self) -> datetime | None:
        """The start of the time range; None if it is open. Valid after `is_valid`, as are the members below."""
        cleaned = self.form.cleaned_data
        return timezone.now() - RANGES[cleaned["range"]][1] if cleaned["range"] else cleaned["from"]

    @property
    def until(self) -> datetime | None:
        return self.form.cleaned_data["to"]

    def build_time_condition(self, column: str) -> Q:
        found = Q(**{f"{column}__gte": self.since}) if self.since else Q()
        return found & Q(**{f"{column}__lt": self.until}) if self.until else found

    @property
    def filtered_rows(self) -> QuerySet[Any]:
        """Return the rows that pass every filter, for exports: the query may read the whole log."""
        return self.qs.filter(self.matching)
