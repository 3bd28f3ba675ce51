"""Networks in templates."""

from __future__ import annotations

from django import template

from keys.decision.addresses import shown

register = template.Library()

register.filter("shown", shown)
