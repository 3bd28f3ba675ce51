"""Filters of the audit trail."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from audit.models import Event
from audit.trail.event_choices import list_event_choices
from audit.trail.events import ROUTINE, SHOWN_TO_ACCOUNTS
from core.filters.fields import AddressField, build_select
from core.filters.time_range import LogFilter, StartFilter, TimeRangeForm

KINDS = (
    ("key", "Key"),
    ("ip_list", "IP list"),
    ("user", "User"),
    ("account", "Account"),
    ("api", "API"),
    ("webhook", "Webhook endpoint"),
    ("log", "API log"),
)
SCOPES = (
    ("account", "This account"),
    ("installation", "The installation, routine included"),
    ("all", "Both, routine included"),
)


class EventKeysetFilter(django_filters.Filter):
    field_class = forms.IntegerField


class AddressFilter(django_filters.Filter):
    field_class = AddressField


class EventFilter(LogFilter):
    """Filters of events: who did what, on what, when and from where."""

    MORE = ("scope", "kind", "object", "address", "request_id")

    who = django_filters.CharFilter(label="By", max_length=200)
    event = django_filters.ChoiceFilter(
        label="Event",
        empty_label="Any event",
        choices=list_event_choices(),
        widget=build_select("Event"),
    )
    scope = django_filters.ChoiceFilter(
        label="Events of",
        empty_label="Account and installation, without routine",
        choices=SCOPES,
        widget=build_select("Events of"),
    )
    kind = django_filters.ChoiceFilter(
        label="Object", empty_label="Any object", choices=KINDS, widget=build_select("Object")
    )
    object = django_filters.CharFilter(label="Object name or ID", max_length=200)
    address = AddressFilter(label="From address or range")
    request_id = django_filters.CharFilter(label="Request ID", max_length=200)

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = []
        form = TimeRangeForm

    @property
    def leaves_out_routine(self) -> bool:
        """Whether routine events of the installation are left out, which is the default."""
        cleaned = self.form.cleaned_data
        return not cleaned["scope"] and cleaned["event"] not in ROUTINE

    @property
    def descriptions_without_times(self) -> dict[str, str]:
        """The filters in words, including the default scope if it leaves out routine events."""
        routine = {"Events of": "Account and installation, without routine"} if self.leaves_out_routine else {}
        return super().descriptions_without_times | routine

    @property
    def installation(self) -> frozenset[str]:
        """The names of the installation's events that pass."""
        if self.form.cleaned_data["scope"] == "account":
            return frozenset()
        return SHOWN_TO_ACCOUNTS - ROUTINE if self.leaves_out_routine else SHOWN_TO_ACCOUNTS

    def filter_scope(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        scope = Q(account_id=None, name__in=self.installation)
        if self.form.cleaned_data["scope"] != "installation":
            scope |= Q(account_id__isnull=False)
        return queryset.filter(scope)

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Apply the filters that an index serves: the scope, and the target if it exists."""
        queryset = self.filter_scope(queryset)
        kind, target = self.form.cleaned_data["kind"], self.form.cleaned_data["object"]
        if kind and target and self.queryset.filter(target_kind=kind, target_id=target).exists():
            return queryset.filter(target_kind=kind, target_id=target)
        return queryset

    @property
    def matching(self) -> Q:
        """The condition of the filters that no index serves."""
        cleaned = self.form.cleaned_data
        condition = self.build_time_condition("at")
        for column, name in (("name", "event"), ("target_kind", "kind"), ("request_id", "request_id")):
            condition &= Q(**{column: cleaned[name]}) if cleaned[name] else Q()
        if who := cleaned["who"]:
            condition &= Q(actor__icontains=who)
        if text := cleaned["object"]:
            condition &= Q(target__icontains=text) | Q(target_id=text)
        if cleaned["address"]:
            condition &= Q(address__in_network=cleaned["address"])
        return condition


class EventPageFilter(EventFilter):
    after = EventKeysetFilter(field_name="seq", lookup_expr="lt", min_value=1, max_value=2**63 - 1)
    start = StartFilter()

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return self.filters["after"].filter(super().filter_queryset(queryset), self.form.cleaned_data["after"])
