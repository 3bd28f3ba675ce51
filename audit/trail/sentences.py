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


def sentence(event: Event) -> SafeString:
    """The event in one sentence. What was typed by people stands apart, so that it cannot read as ours, nor turn the
    direction of the text around it."""
    known = CATALOGUE.get(event.name)
    if known is None:
        return format_html("{} ({})", quoted(event.actor), event.name)
    values = {name: quoted(words(value)) for name, value in data(event).items()}
    return format_html(known.sentence, **values, actor=quoted(event.actor), target=quoted(event.target or ""))


def quoted(text: str) -> SafeString:
    return format_html("<bdi>{}</bdi>", text)


def data(event: Event) -> dict[str, Any]:
    return json.loads(event.body)["data"]


def confirmed_by(event: Event) -> str:
    return json.loads(event.body).get("confirmed_by") or ""


def changes(event: Event) -> list[Change]:
    """Old and new values of an edit; what a new thing was given has no old value."""
    told = data(event)
    edited = [Change(label(name), words(old), words(new)) for name, (old, new) in told.get("changes", {}).items()]
    return edited + [Change(label(name), "", words(value)) for name, value in told.get("settings", {}).items()]


def facts(event: Event) -> list[tuple[str, str]]:
    """The event's other fields."""
    return [(label(name), words(value)) for name, value in data(event).items() if name not in ("changes", "settings")]


def summary(event: Event) -> SafeString:
    """What an edit changed, in a line: "status: pending → active"."""
    parts = ((c.label, quoted(c.old or "none"), quoted(c.new or "none")) for c in changes(event) if c.old != c.new)
    return format_html_join(" · ", "{}: {} → {}", parts) if "changes" in data(event) else SafeString("")


def label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def words(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(words(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {words(item)}" for name, item in value.items())
    return str(value)


# Where a thing's page is, by the URL's name; audit knows no other room.
PAGES = {"key": "key-detail", "user": "user-detail", "ip_list": "ip-list-detail"}


def page(event: Event) -> str:
    """The event's own page in its account; empty for one from before events had numbers."""
    if event.number is None:
        return ""
    return reverse("trail-installation" if event.account_id is None else "trail-detail", args=[event.number])


def link(event: Event) -> str:
    """The page of what the event is about; empty if that kind has none. It may be gone."""
    try:
        return reverse(PAGES[event.target_kind or ""], args=[event.target_id])
    except (KeyError, NoReverseMatch):
        return ""
