"""The filters of the log and the trail. Strict: a value or a name that means nothing is an error, never "no filter"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from audit.events import CATALOGUE
from audit.models import Call, Event
from audit.selectors import calls_before

RANGES: dict[str, tuple[str, timedelta]] = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
API_ID = re.compile(r"[0-9A-Za-z]{12}")


def _select(label: str) -> forms.Select:
    """A drop-down that says what it is without a label beside it."""
    return forms.Select(attrs={"aria-label": label})


class TimeField(forms.DateTimeField):
    """A time in UTC, as a browser's date and time field sends it, or ISO 8601 with a zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "“%(value)s” is not a time. Write it like 2026-11-20T17:30 (UTC).",
    }

    def to_python(self, value: Any) -> datetime | None:
        try:
            time = super().to_python(value)
            if time is not None and not 2000 <= time.year < 2100:
                raise ValidationError("a year that no log has")
            return time
        except (ValidationError, OverflowError):
            raise ValidationError(self.error_messages["invalid"], "invalid", {"value": value}) from None


class TimeFilter(django_filters.Filter):
    field_class = TimeField


class CallKeysetField(forms.CharField):
    """The position of a call: `time~request ID`."""

    def clean(self, value: Any) -> tuple[Any, UUID] | None:
        text = super().clean(value)
        if not text:
            return None
        time, _, request_id = text.partition("~")
        try:
            at = parse_datetime(time)
            if at is None or at.tzinfo is None:
                raise ValueError(time)
            return at, UUID(request_id)
        except ValueError:
            raise ValidationError(f"“{text}” is not a position in the log. Start again from the first page.") from None


class CallKeysetFilter(django_filters.Filter):
    field_class = CallKeysetField

    def filter(self, qs: QuerySet[Call], value: tuple[Any, UUID] | None) -> QuerySet[Call]:
        return qs.filter(calls_before(*value)) if value else qs


class EventKeysetFilter(django_filters.Filter):
    field_class = forms.IntegerField


class LogForm(forms.Form):
    """The form of both filter sets: knows its fields, and refuses what it does not know."""

    data: Any

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        unknown = sorted(set(self.data) - set(self.fields))
        if unknown:
            raise ValidationError(f"There is no filter “{unknown[0]}”. There are: {', '.join(self.fields)}.")
        repeated = sorted(name for name in self.data if len(self.data.getlist(name)) > 1)
        if repeated:
            raise ValidationError(f"The filter “{repeated[0]}” is given more than once.")
        since, until = cleaned.get("from"), cleaned.get("to")
        if since and until and since >= until:
            raise ValidationError("“From” must be before “To”.")
        if cleaned.get("range") and (since or until):
            raise ValidationError("Choose a time range, or From and To, not both.")
        return cleaned


class LogFilter(django_filters.FilterSet):
    """What both pages share: `qs` is what an index serves; `matching` is looked for among those rows."""

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        """`from` cannot be written as an attribute."""
        ranges = [(name, label) for name, (label, _) in RANGES.items()]
        times = {
            "range": django_filters.ChoiceFilter(
                label="Time", empty_label="Any time", choices=ranges, widget=_select("Time range")
            ),
            "from": TimeFilter(label="From (UTC)"),
            "to": TimeFilter(label="To (UTC)"),
        }
        return times | super().get_filters()

    @property
    def active(self) -> dict[str, str]:
        """The filters that are on, as typed, without the position: for events and the export's form."""
        return {name: self.data[name] for name in self.form.fields if name != "after" and self.data.get(name)}

    @cached_property
    def since(self) -> datetime | None:
        """The start of the time range. Call after `is_valid`, as everything below."""
        cleaned = self.form.cleaned_data
        return timezone.now() - RANGES[cleaned["range"]][1] if cleaned["range"] else cleaned["from"]

    @property
    def until(self) -> datetime | None:
        return self.form.cleaned_data["to"]

    def times(self, column: str) -> Q:
        found = Q(**{f"{column}__gte": self.since}) if self.since else Q()
        return found & Q(**{f"{column}__lt": self.until}) if self.until else found

    @property
    def found(self) -> QuerySet[Any]:
        """All rows that pass every filter; for exports, which may look at as many as there are."""
        return self.qs.filter(self.matching)


class CallFilter(LogFilter):
    key = django_filters.CharFilter(label="Key", max_length=200)
    api = django_filters.CharFilter(label="API", max_length=64, widget=forms.HiddenInput)
    decision = django_filters.ChoiceFilter(
        label="Decision", empty_label="Any decision", choices=Call.DECISIONS, widget=_select("Decision")
    )

    class Meta:
        model = Call
        fields: ClassVar[list[str]] = []
        form = LogForm

    @cached_property
    def api_id(self) -> str:
        """What was typed as key, if it is the API ID of a key that has calls; else it is a part of a name."""
        typed = self.form.cleaned_data["key"]
        return typed if API_ID.fullmatch(typed) and self.queryset.filter(key_id=typed).exists() else ""

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        queryset = queryset.filter(self.times("time"))
        return queryset.filter(key_id=self.api_id) if self.api_id else queryset

    @property
    def matching(self) -> Q:
        key, decision = self.form.cleaned_data["key"], self.form.cleaned_data["decision"]
        found = Q(decision=decision) if decision else Q()
        if api := self.form.cleaned_data["api"]:
            found &= Q(api=api)
        return found & Q(key_name__icontains=key) if key and not self.api_id else found


class CallPageFilter(CallFilter):
    after = CallKeysetFilter()

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        return self.filters["after"].filter(super().filter_queryset(queryset), self.form.cleaned_data["after"])


class EventFilter(LogFilter):
    event = django_filters.ChoiceFilter(
        label="Event", empty_label="Any event", choices=[(name, name) for name in CATALOGUE], widget=_select("Event")
    )
    key = django_filters.CharFilter(label="API ID", max_length=200)
    after = EventKeysetFilter(field_name="seq", lookup_expr="lt", min_value=1, max_value=2**63 - 1)

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = []
        form = LogForm

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        key = self.form.cleaned_data["key"]
        queryset = queryset.filter(target_kind="key", target_id=key) if key else queryset
        return self.filters["after"].filter(queryset, self.form.cleaned_data["after"])

    @property
    def matching(self) -> Q:
        event = self.form.cleaned_data["event"]
        return self.times("at") & Q(name=event) if event else self.times("at")
