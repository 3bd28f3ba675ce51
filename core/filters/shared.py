"""The filters of a class, copied for each request."""

from __future__ import annotations

from copy import copy
from typing import Any

import django_filters


class SharedFilters(dict[str, django_filters.Filter]):
    """Filters of which each filter set gets a copy with keyword arguments of its own. django-filter copies them deeply,
    with all choices and widgets, of which fields make copies again."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, django_filters.Filter]:
        return {name: _copy_filter(each) for name, each in self.items()}


def _copy_filter(original: django_filters.Filter) -> django_filters.Filter:
    copied = copy(original)
    copied.extra = dict(original.extra)
    # Binds the method to the copy.
    copied.method = original.method
    return copied
