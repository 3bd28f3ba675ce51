"""Template tag for the rows of the list of keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString

from core.back_links import format_row_id
from core.templatetags.lists import repeated_rows
from keys.selectors.rows import KeyRow

register = template.Library()


@register.simple_tag(takes_context=True)
def key_rows(context: Context, rows: Iterable[KeyRow], marked: Collection[str]) -> SafeString:
    """Return the rows of the keys, those whose element IDs are in `marked` as marked."""

    def build_values(row: KeyRow) -> dict[str, bool | str]:
        row_id = format_row_id("key", row.public_id)
        return {**row.cell_values, "row_id": row_id, "is_marked": row_id in marked}

    return repeated_rows(context, "keys/_row.html", map(build_values, rows))
