"""Sentences and reasons in templates."""

from __future__ import annotations

from django import template

from audit import selectors
from audit.calls import reasons
from audit.exports import manifest_number
from audit.trail import sentences

register = template.Library()

register.filter("sentence", sentences.sentence)
register.filter("summary", sentences.summary)
register.filter("changes", sentences.changes)
register.filter("facts", sentences.facts)
register.filter("confirmed_by", sentences.confirmed_by)
register.filter("heading", reasons.heading)
register.filter("why", reasons.why)
register.filter("position", selectors.keyset)
register.filter("manifest_number", manifest_number)
register.filter("link", sentences.link)
register.filter("event_page", sentences.page)
