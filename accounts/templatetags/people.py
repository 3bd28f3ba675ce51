"""How people look on a page."""

from __future__ import annotations

from django import template

from core.permissions import in_words

register = template.Library()
register.filter("in_words", in_words)
