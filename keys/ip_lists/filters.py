"""Filters of IP lists and of a list's entries. An unknown parameter or an invalid value is an error and shows no
rows."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Lower

from core.lists import Column, PagedFilter, build_choice_filter, build_word_start_regex
from keys.decision.addresses import parse_address
from keys.models import IpList, IpListEntry

STATUSES = (("enabled", "Enabled"), ("disabled", "Disabled"))


class IpListFilter(PagedFilter):
    """`?q=&sort=&page=`, for the queryset of keys.ip_lists.selectors.with_counts."""

    columns: ClassVar = {
        "name": Column("Name", Lower("name")),
        "created": Column("Created", F("created_at"), True),
    }
    default_sort = "name"
    nouns = ("IP list", "IP lists")

    q = django_filters.CharFilter(label="Search", max_length=200, method="search")

    def search(self, lists: QuerySet[IpList], name: str, text: str) -> QuerySet[IpList]:
        """Match the start of any word of the name, or an address that an entry contains."""
        found = Q(name__iregex=build_word_start_regex(text))
        if address := parse_address(text):
            admitting = IpListEntry.objects.filter(ip_list=OuterRef("pk"), network__admits=str(address))
            found |= Q(Exists(admitting))
        return lists.filter(found)


class EntryFilter(PagedFilter):
    """The filters of entries: `?q=&state=&sort=&page=`."""

    columns: ClassVar = {
        "network": Column("Address or range", F("network")),
        "description": Column("Description", Lower("description")),
        "created": Column("Added", F("created_at"), True),
    }
    default_sort = "network"
    nouns = ("entry", "entries")

    q = django_filters.CharFilter(label="Search", max_length=200, method="search")
    state = build_choice_filter("Status", "Any status", STATUSES, "filter_status")

    def search(self, entries: QuerySet[IpListEntry], name: str, text: str) -> QuerySet[IpListEntry]:
        """Match entries that contain the address; else the start of the network or of any word of the description."""
        if address := parse_address(text):
            return entries.filter(network__admits=str(address))
        entries = entries.annotate(as_text=Cast("network", TextField()))
        return entries.filter(Q(as_text__istartswith=text) | Q(description__iregex=build_word_start_regex(text)))

    def filter_status(self, entries: QuerySet[IpListEntry], name: str, status: str) -> QuerySet[IpListEntry]:
        return entries.filter(enabled=status == "enabled")
