"""Events as people read them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.models import Event
from audit.trail.events import CATALOGUE

LABELS = {"owner": "Owner", "acl": "IP ACL", "sha256": "SHA-256", "bom": "BOM", "api": "API"}


class Change(NamedTuple):
    label: str
    old: str
    new: str


def format_sentence(event: Event) -> SafeString:
    """The event in one sentence. What was typed by people stands apart, so that it cannot read as ours, nor turn the
    direction of the text around it."""
    known = CATALOGUE.get(event.name)
    if known is None:
        return format_html("{} ({})", isolate(event.actor), event.name)
    values = {name: isolate(format_value(value)) for name, value in get_data(event).items()}
    return format_html(known.sentence, **values, actor=isolate(event.actor), target=isolate(event.target or ""))


def isolate(text: str) -> SafeString:
    return format_html("<bdi>{}</bdi>", text)


def get_data(event: Event) -> dict[str, Any]:
    return json.loads(event.body)["data"]


def get_confirmation(event: Event) -> str:
    return json.loads(event.body).get("confirmed_by") or ""


def list_changes(event: Event) -> list[Change]:
    """Old and new values of an edit; what a new thing was given has no old value."""
    told = get_data(event)
    edited = [
        Change(format_label(name), format_value(old), format_value(new))
        for name, (old, new) in told.get("changes", {}).items()
    ]
    return edited + [
        Change(format_label(name), "", format_value(value)) for name, value in told.get("settings", {}).items()
    ]


def list_facts(event: Event) -> list[tuple[str, str]]:
    """The event's other fields."""
    return [
        (format_label(name), format_value(value))
        for name, value in get_data(event).items()
        if name not in ("changes", "settings")
    ]


def format_changes(event: Event) -> SafeString:
    """What an edit changed, in a line: "status: pending → active"."""
    parts = (
        (c.label, isolate(c.old or "none"), isolate(c.new or "none")) for c in list_changes(event) if c.old != c.new
    )
    return format_html_join(" · ", "{}: {} → {}", parts) if "changes" in get_data(event) else SafeString("")


def format_label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def format_value(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(format_value(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {format_value(item)}" for name, item in value.items())
    return str(value)


# Where a thing's page is, by the URL's name; audit knows no other room.
PAGES = {"key": "key-detail", "user": "user-detail", "ip_list": "ip-list-detail"}


def get_event_url(event: Event) -> str:
    """The event's own page in its account; empty for one from before events had numbers."""
    if event.number is None:
        return ""
    return reverse("trail-installation" if event.account_id is None else "trail-detail", args=[event.number])


def get_target_url(event: Event) -> str:
    """The page of what the event is about; empty if that kind has none. It may be gone."""
    try:
        return reverse(PAGES[event.target_kind or ""], args=[event.target_id])
    except (KeyError, NoReverseMatch):
        return ""
