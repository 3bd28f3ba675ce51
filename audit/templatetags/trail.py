"""Template filters for events, calls and reasons of decisions."""

from __future__ import annotations

from django import template

from audit.calls import cells, reasons
from audit.exports import find_manifest_number
from audit.trail import sentences

register = template.Library()

register.filter("sentence", sentences.format_sentence)
register.filter("summary", sentences.format_changes)
register.filter("changes", sentences.list_changes)
register.filter("facts", sentences.list_facts)
register.filter("confirmed_by", sentences.get_confirmation)
register.filter("heading", reasons.get_heading)
register.filter("cell_values", cells.build_cell_values)
register.filter("why", reasons.explain)
register.filter("manifest_number", find_manifest_number)
register.filter("link", sentences.get_target_url)
register.filter("event_page", sentences.get_event_url)
