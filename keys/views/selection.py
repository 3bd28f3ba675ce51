"""The keys that were selected in the list: some of them, or all that match its filters."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.http import QueryDict

from core.back_links import PARAMETER
from core.lists import merge_filters
from core.page_guard import SignedIn
from core.pages import own_account
from keys.filters import KeyFilter
from keys.models import Key
from keys.visibility import get_enabled_apis, get_visible_keys

# Parameters that select keys or answer a question; they are not filters of the list.
SELECTION_FIELDS = (
    "csrfmiddlewaretoken",
    "key",
    "all",
    "list",
    "check",
    "accepts",
    "page",
    "after",
    "before",
    "start",
    PARAMETER,
)


class SelectedKey(NamedTuple):
    pk: int
    public_id: str
    name: str


@dataclass(frozen=True)
class Selection:
    """The selected keys, by name; one more than `limit` if there are too many. `params` is what selected them."""

    filter: KeyFilter
    rows: list[SelectedKey]
    params: QueryDict
    limit: int

    @cached_property
    def ids(self) -> list[int]:
        return [row.pk for row in self.rows]

    @property
    def is_too_large(self) -> bool:
        return len(self.rows) > self.limit

    @property
    def ip_list(self) -> int | None:
        """The primary key of the IP list from whose page the keys were selected, if any."""
        text = self.params.get("list", "")
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None

    @property
    def keys(self) -> QuerySet[Key]:
        return Key.objects.filter(pk__in=self.ids)

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Return what a form must send so that it selects the same keys: names and values."""
        pairs = ((name, value) for name in ("key", "all", "list", PARAMETER) for value in self.params.getlist(name))
        return [*pairs, *((name, value) for name, values in self.filter.data.lists() for value in values)]


def build_filter(request: SignedIn, but: Collection[str], selected: Collection[str] = ()) -> KeyFilter:
    """Return the list's filters from the request, without the parameters in `but`, for the keys with these API IDs if
    any are selected."""
    filters = merge_filters(request.GET, request.POST, but=but)
    if selected:
        filters["selected"] = " ".join(selected)
    return KeyFilter(
        filters, get_visible_keys(request.user), account=own_account(request), apis=list(get_enabled_apis(request.user))
    )


def get_selection(request: SignedIn, only: Q, fields: Collection[str], limit: int) -> Selection:
    """Return those of the selected keys that match `only`; none if the filters are not valid. `fields` are those of the
    action's form."""
    params = request.POST or request.GET
    filters = build_filter(request, (*SELECTION_FIELDS, *fields))
    if not filters.is_valid():
        return Selection(filters, [], params, limit)
    selected = params.getlist("key")[: limit + 1]
    keys = filters.qs if params.get("all") == "1" else get_visible_keys(request.user).filter(public_id__in=selected)
    found = keys.filter(only).values_list("pk", "public_id", "name")[: limit + 1]
    return Selection(
        filters, sorted(map(SelectedKey._make, found), key=lambda row: (row.name.lower(), row.pk)), params, limit
    )
