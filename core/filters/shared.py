"""Filter sets without copies that nobody needs: of a class's filters, and of the fields of its form."""

from __future__ import annotations

from copy import copy
from typing import Any

import django_filters
from django import forms


class SharedFilters(dict[str, django_filters.Filter]):
    """Filters of which each filter set gets a copy with keyword arguments of its own. django-filter copies them deeply,
    with all choices and widgets, of which fields make copies again."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, django_filters.Filter]:
        return {name: _copy_filter(each) for name, each in self.items()}


class OwnFields(dict[str, forms.Field]):
    """Fields that a form takes as they are. Django copies them deeply, as those of a class that is used again."""

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnFields:
        return self


class SharedFilterSet(django_filters.FilterSet):
    """A filter set whose form has the fields that were made for it."""

    def get_form_class(self) -> type[forms.Form]:
        """Return a form class that may be instantiated once."""
        form_class: type[forms.Form] = super().get_form_class()
        form_class.base_fields = OwnFields(form_class.base_fields)
        return form_class


def _copy_filter(original: django_filters.Filter) -> django_filters.Filter:
    copied = copy(original)
    copied.extra = dict(original.extra)
    # Binds the method to the copy.
    copied.method = original.method
    return copied
