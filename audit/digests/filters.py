"""Filters of the list of digests, by the time that they cover."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django import forms
from django.db.models import QuerySet

from audit.models import Digest
from core.filters.time_range import LogFilter, TimeRangeForm


class NumberFilter(django_filters.Filter):
    field_class = forms.IntegerField


class DigestFilter(LogFilter):
    """Validate the range and apply the position; the view applies the range by audit.digests.filter_range."""

    after = NumberFilter(field_name="number", lookup_expr="lt", min_value=1, max_value=2**63 - 1)

    class Meta:
        model = Digest
        fields: ClassVar[list[str]] = []
        form = TimeRangeForm

    def filter_queryset(self, queryset: QuerySet[Digest]) -> QuerySet[Digest]:
        return self.filters["after"].filter(queryset, self.form.cleaned_data["after"])
