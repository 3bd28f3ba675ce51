"""Template filters that format people."""

from __future__ import annotations

from django import template

from core.permissions import format_roles

register = template.Library()
register.filter("format_roles", format_roles)
