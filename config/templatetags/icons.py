"""Icons as inline SVG: those of heroicons, each made once. A list shows hundreds, and making one takes half a
millisecond."""

from __future__ import annotations

from functools import cache

from django import template
from heroicons.templatetags import heroicons

register = template.Library()


@register.simple_tag
@cache
def heroicon_mini(name: str, *, size: int = 20, **attributes: str) -> str:
    return heroicons.heroicon_mini(name, size=size, **attributes)


@register.simple_tag
@cache
def heroicon_outline(name: str, *, size: int = 24, **attributes: str) -> str:
    return heroicons.heroicon_outline(name, size=size, **attributes)
