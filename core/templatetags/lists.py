"""Template tags of lists: the cells of a row in the order of the list's columns.

A template of cells has each column's cell between `{% column "name" %}` and `{% endcolumn %}`; `{% cells %}` renders
those of the columns to show, and hidden ones for printing. Choosing columns so costs a row less than an `if` for each
column.

`{% repeated "name.html" a=flag b=text %}` includes a template of which only texts differ from row to row. It is
rendered once for each combination of flags; for each row the texts are filled in, which takes a tenth of the time.
`{% repeated_rows "name.html" rows %}` does so for many rows, without a tag's own cost for each.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from django import template
from django.template.base import Node, NodeList, Parser, Template, Token
from django.template.context import Context
from django.utils.safestring import SafeString

# Stands for a text in what is rendered once. Nobody can type it, because it is a secret of the process.
PLACEHOLDER = f"text-{secrets.token_hex(8)}-"
PLACEHOLDERS = re.compile(rf"{PLACEHOLDER}(\w+)-")
register = template.Library()


class ColumnNode(Node):
    """A column's cell, which is rendered by `cells` alone."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        return SafeString("")


@register.tag
def column(parser: Parser, token: Token) -> ColumnNode:
    """Parse `{% column "name" %}<td>…</td>{% endcolumn %}`."""
    _, name = token.split_contents()
    nodelist = parser.parse(("endcolumn",))
    parser.delete_first_token()
    return ColumnNode(name.strip('"'), nodelist)


@register.simple_tag(takes_context=True)
def cells(context: Context, name: str, columns: Iterable[str], hidden: bool = False) -> SafeString:
    """Return the cells of these columns, in this order, from the template of cells of this name. Hidden ones are only
    printed (static/css/print.css)."""
    assert context.template is not None
    found = _get_cells(context.template.engine.get_template(name))
    rendered: Iterable[str] = (found[column].render(context) for column in columns)
    if hidden:
        rendered = (cell.replace("<td", "<td hidden", 1) for cell in rendered)
    return SafeString("".join(rendered))


@lru_cache
def _get_cells(template: Template) -> dict[str, NodeList]:
    return {node.name: node.nodelist for node in template.nodelist if isinstance(node, ColumnNode)}


@register.simple_tag(takes_context=True)
def repeated(
    context: Context, template_name: str, row: Mapping[str, bool | str] | None = None, **values: bool | str
) -> SafeString:
    """Return the template of this name with these flags and texts, and those in `row`. It may only output its texts: a
    condition or a filter would meet a placeholder."""
    return repeated_rows(context, template_name, [values if row is None else {**row, **values}])


@register.simple_tag(takes_context=True)
def repeated_rows(context: Context, template_name: str, rows: Iterable[Mapping[str, bool | str]]) -> SafeString:
    """Return the template of this name for each of these rows of flags and texts, as `repeated` does."""
    variants: dict[Any, list[str]] = context.render_context.setdefault("repeated", {})  # type: ignore[arg-type,assignment]
    rendered: list[str] = []
    for values in rows:
        variant = (template_name, *(item for item in values.items() if isinstance(item[1], bool)))
        if variant not in variants:
            variants[variant] = _render_variant(context, template_name, values)
        parts = variants[variant].copy()
        parts[1::2] = [_escape(values[name]) for name in parts[1::2]]
        rendered += parts
    return SafeString("".join(rendered))


def _render_variant(context: Context, template_name: str, values: Mapping[str, bool | str]) -> list[str]:
    """Return the template as literal texts and, between each two of them, the name of a text to fill in."""
    assert context.template is not None
    placed = {
        name: value if isinstance(value, bool) else f"{PLACEHOLDER}{name}-"
        for name, value in values.items()
        if isinstance(value, bool | str)
    }
    assert len(placed) == len(values), values
    with context.push(**placed):
        rendered = context.template.engine.get_template(template_name).render(context)
    return PLACEHOLDERS.split(rendered)


def _escape(text: Any) -> str:
    # Django's function takes three times as long, because it also handles lazy texts.
    return text if isinstance(text, SafeString) else escape(text)
