"""Template filter that formats networks."""

from __future__ import annotations

from django import template

from keys.decision.addresses import format_network

register = template.Library()

register.filter("format_network", format_network)
