"""Filters of the API log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.db.models.lookups import IContains

from audit import paging
from audit.calls.reasons import REFUSED
from audit.calls.selectors import build_after_condition, build_before_condition
from audit.models import Call
from core.filters.fields import (
    NO_STATUS,
    AddressField,
    CallKeysetField,
    OpenSelect,
    RequestIdField,
    SlugOrNameField,
    StatusField,
    build_select,
)
from core.filters.time_range import LogFilter, StartFilter, TimeRangeForm
from core.phone_masking import Mask
from core.request_id import get_creation_time

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
API_ID = re.compile(r"[0-9A-Za-z]{12}")
# A request ID holds its time by the gateway's clock, which may differ from the database's by this much.
MAX_CLOCK_SKEW = timedelta(hours=1)


def _build_filter_class(field: type[forms.Field]) -> type[django_filters.Filter]:
    """Return a filter class for the field; CallFilter.matching applies its value."""
    return type(f"{field.__name__}Filter", (django_filters.Filter,), {"field_class": field})


class CallKeysetFilter(django_filters.Filter):
    field_class = CallKeysetField

    def filter(self, qs: QuerySet[Call], value: Any) -> QuerySet[Call]:
        return qs.filter(build_before_condition(*value)) if value else qs


class CallFilter(LogFilter):
    """Filters of calls. With a `mask`, text is searched for in paths as pages show them, masked. `apis` and `modules`
    are the names to choose from, by slug."""

    MORE = ("reason", "api", "key_id", "owner", "method", "path", "module", "address", "status", "request_id")

    key = django_filters.CharFilter(label="Key", max_length=200)
    key_id = django_filters.CharFilter(label="Key ID", max_length=12)
    api = _build_filter_class(SlugOrNameField)(label="API", max_length=200)
    owner = django_filters.CharFilter(
        label="Owner", max_length=200, widget=forms.TextInput(attrs={"list": "owners", "autocomplete": "off"})
    )
    decision = django_filters.ChoiceFilter(
        label="Decision", empty_label="Any decision", choices=Call.DECISIONS, widget=build_select("Decision")
    )
    reason = django_filters.ChoiceFilter(
        label="Reason",
        empty_label="Any reason",
        choices=[(code, heading) for code, (heading, _) in REFUSED.items()],
        widget=build_select("Reason"),
    )
    status = _build_filter_class(StatusField)(label="Status")
    method = django_filters.CharFilter(
        label="Method",
        max_length=20,
        widget=OpenSelect(choices=[("", "Any method"), *((method, method) for method in METHODS)]),
    )
    path = django_filters.CharFilter(label="Path contains", max_length=500)
    module = _build_filter_class(SlugOrNameField)(label="Module", max_length=200)
    address = _build_filter_class(AddressField)(label="Client address or range")
    request_id = _build_filter_class(RequestIdField)(label="Request ID")

    class Meta:
        model = Call
        fields: ClassVar[list[str]] = []
        form = TimeRangeForm

    def __init__(
        self,
        data: Any,
        queryset: QuerySet[Call],
        *,
        mask: Mask | None = None,
        apis: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, queryset)
        self.mask = mask
        self.filters["api"].extra["names"] = apis
        self.filters["module"].extra["names"] = modules

    @cached_property
    def api_id(self) -> str:
        """The value of the filter `key` if it is the API ID of a key with calls; otherwise empty, and it is part of a
        name."""
        typed = self.form.cleaned_data["key"]
        return typed if API_ID.fullmatch(typed) and self.queryset.filter(key_id=typed).exists() else ""

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        """Apply the filters that an index serves: time, key and request ID."""
        cleaned = self.form.cleaned_data
        queryset = queryset.filter(self.build_time_condition("time"))
        for key_id in filter(None, (self.api_id, cleaned["key_id"])):
            queryset = queryset.filter(key_id=key_id)
        if request_id := cleaned["request_id"]:
            queryset = queryset.filter(request_id=request_id)
            if created_at := get_creation_time(request_id):
                queryset = queryset.filter(time__gte=created_at - MAX_CLOCK_SKEW, time__lt=created_at + MAX_CLOCK_SKEW)
        return queryset

    @property
    def max_scanned(self) -> int:
        """How many rows are searched for those that pass the filters that no index serves."""
        is_of_key = self.api_id or self.form.cleaned_data["key_id"]
        return min(paging.MAX_ROWS_SCANNED, paging.MAX_KEY_ROWS_SCANNED) if is_of_key else paging.MAX_ROWS_SCANNED

    @property
    def matching(self) -> Q:
        """The condition of the filters that no index serves."""
        cleaned = self.form.cleaned_data
        condition = Q()
        for name in ("decision", "reason"):
            condition &= Q(**{name: cleaned[name]}) if cleaned[name] else Q()
        for name in ("api", "module"):
            condition &= Q(**{f"{name}__in": cleaned[name]}) if cleaned[name] else Q()
        if cleaned["method"]:
            condition &= Q(method=cleaned["method"].upper())
        if cleaned["owner"]:
            condition &= Q(owner__icontains=cleaned["owner"])
        if cleaned["key"] and not self.api_id:
            condition &= Q(key_name__icontains=cleaned["key"])
        if status := cleaned["status"]:
            condition &= Q(status=None) if status == NO_STATUS else Q(status__range=status)
        if cleaned["address"]:
            condition &= Q(client_address__in_network=cleaned["address"])
        if cleaned["path"]:
            condition &= self._match_path(cleaned["path"])
        return condition

    def _match_path(self, text: str) -> Q:
        """Return the condition for `text` in path or query as pages show them: masked digits cannot be searched for."""
        if self.mask is None:
            return Q(path__icontains=text) | Q(query__icontains=text)
        # An X may stand for any digit. The cheap regular expression spares most rows the expensive masking.
        pattern = re.sub("[xX]", "[xX0-9]", re.escape(text))
        digits, side = Value(self.mask.digits), Value(self.mask.side)

        def match(column: str) -> Q:
            hidden = Func(F(column), digits, side, function="audit_hide", output_field=TextField())
            return Q(**{f"{column}__iregex": pattern}) & Q(IContains(hidden, text))

        return match("path") | match("query")


class CallPageFilter(CallFilter):
    after = CallKeysetFilter()
    start = StartFilter()

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        return self.filters["after"].filter(super().filter_queryset(queryset), self.form.cleaned_data["after"])


class CallsAfterFilter(django_filters.Filter):
    field_class = CallKeysetField

    def filter(self, qs: QuerySet[Call], value: Any) -> QuerySet[Call]:
        return qs.filter(build_after_condition(*value)) if value else qs


class CallTailFilter(CallFilter):
    """`newest` is the position of the page's newest row; `before`, given to fetch rows that were left out, that of the
    oldest row above them."""

    newest = CallsAfterFilter(required=True)
    before = CallKeysetFilter()

    def filter_queryset(self, queryset: QuerySet[Call]) -> QuerySet[Call]:
        queryset = super().filter_queryset(queryset)
        for name in ("newest", "before"):
            queryset = self.filters[name].filter(queryset, self.form.cleaned_data[name])
        return queryset
