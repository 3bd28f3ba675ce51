"""Template tag for many fields of a form.

`{% fields form.fields %}` renders each with "components/field.html". For a field without help and errors only its ID,
its label and its input differ from those of others: the template is rendered once a process for such fields, and filled
in for each, which takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.template.loader import get_template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from core.templatetags.lists import PLACEHOLDER, PLACEHOLDERS
from core.templatetags.ui import is_needed

FIELD = "components/field.html"
# Widget types that the template renders in ways of their own.
SPECIAL = frozenset({"checkbox", "password"})
register = template.Library()


class _PlainField:
    """Stands for a field while the template is rendered once. It has what the template asks of a field."""

    is_hidden = use_fieldset = False
    widget_type = help_text = name = ""
    errors = ()
    id_for_label, label = f"{PLACEHOLDER}id-", f"{PLACEHOLDER}label-"

    def __init__(self, *, required: bool) -> None:
        self.field = self
        self.required = required

    def __str__(self) -> str:
        return f"{PLACEHOLDER}input-"


@register.simple_tag
def fields(bound: Iterable[BoundField]) -> SafeString:
    """Return the fields, each as "components/field.html" renders it."""
    return SafeString("".join(map(_render_field, bound)))


def _render_field(field: BoundField) -> str:
    is_special = field.is_hidden or field.widget_type in SPECIAL or field.use_fieldset
    if is_special or field.help_text or field.errors:
        return get_template(FIELD).render({"field": field})
    texts: dict[str, Any] = {"id": field.id_for_label, "label": field.label, "input": str(field)}
    parts = _render_once(required=is_needed(field)).copy()
    parts[1::2] = [conditional_escape(texts[name]) for name in parts[1::2]]
    return "".join(parts)


@lru_cache
def _render_once(*, required: bool) -> list[str]:
    """Return the template as literal texts and, between each two of them, the name of a text to fill in."""
    return PLACEHOLDERS.split(get_template(FIELD).render({"field": _PlainField(required=required)}))
