"""Format events for people: sentences, changes and facts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.models import Event
from audit.trail.confirmed_actions import CONFIRMED_ACTIONS
from audit.trail.events import CATALOGUE
from core.templatetags.ui import moment

# Words for the methods of sign-in and confirmation.
METHODS = {
    "password": "a password",
    "totp": "an authenticator app",
    "passkey": "a passkey",
    "recovery_code": "a recovery code",
}
# Words for the values of fields of events, by field; packages above audit add theirs when the application starts.
WORDS: dict[str, Mapping[str, str]] = {"method": METHODS, "factor": METHODS}
LABELS = {"owner": "Owner", "acl": "IP ACL", "sha256": "SHA-256", "bom": "BOM", "api": "API", "ip_lists": "IP lists"}

_COUNTED = re.compile(r"\{(?P<field>\w+)\} (?P<noun>IP lists|retired secrets|entries|rows|users|keys|calls|notices)\b")
# Fields of times in ISO format, of events and of settings.
_TIMES = {"since", "until", "late_until", "expiry"}
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SINGULAR = {"entries": "entry"}


class Change(NamedTuple):
    """A field's label with its old and new value, formatted."""

    label: str
    old: str
    new: str


def format_sentence(event: Event) -> SafeString:
    """Return the event in one sentence, as HTML. Text that people typed is isolated, so that it is not taken for ours
    and does not change the direction of the text around it."""
    known = CATALOGUE.get(event.name)
    if known is None:
        return format_html("{} ({})", isolate(event.actor), event.name)
    data, target = get_data(event), isolate(event.target or "")
    values = {name: isolate(render_value(name, value)) for name, value in data.items()}
    values |= {name: isolate(words[data[name]]) for name, words in WORDS.items() if data.get(name) in words}
    counted = {match["field"] for match in _COUNTED.finditer(known.sentence)}
    values |= {name: isolate(f"{data[name]:,}") for name in counted if isinstance(data.get(name), int)}
    if "action" in data:
        values["action"] = format_html(CONFIRMED_ACTIONS.get(data["action"], "{action}"), target=target, **values)
    sentence = _COUNTED.sub(partial(_format_counted, data), known.sentence)
    return format_html(sentence, **values, actor=isolate(event.actor), target=target)


def _format_counted(data: Mapping[str, Any], match: re.Match[str]) -> str:
    """Return the field and the noun that it counts, in the singular if it is one."""
    field, noun = match["field"], match["noun"]
    return f"{{{field}}} {_SINGULAR.get(noun, noun[:-1]) if data.get(field) == 1 else noun}"


def isolate(text: str) -> SafeString:
    """Return the escaped text in a <bdi> element."""
    return format_html("<bdi>{}</bdi>", text)


def get_data(event: Event) -> dict[str, Any]:
    """Return the fields that the event was recorded with."""
    return json.loads(event.body)["data"]


def get_confirmation(event: Event) -> str:
    """Return how the person confirmed the action: password, totp or passkey; empty if they did not."""
    return json.loads(event.body).get("confirmed_by") or ""


def list_changes(event: Event) -> list[Change]:
    """Return the changes of an edit, or the settings of something new, whose old values are empty."""
    data = get_data(event)
    edited = [
        Change(format_label(name), render_value(name, old), render_value(name, new))
        for name, (old, new) in data.get("changes", {}).items()
    ]
    return edited + [
        Change(format_label(name), "", render_value(name, value)) for name, value in data.get("settings", {}).items()
    ]


def list_facts(event: Event) -> list[tuple[str, str]]:
    """Return label and value of the event's other fields."""
    return [
        (format_label(name), render_value(name, value))
        for name, value in get_data(event).items()
        if name not in ("changes", "settings")
    ]


def format_changes(event: Event) -> SafeString:
    """Return what an edit changed in a line of HTML, as "status: pending → active"; empty for other events."""
    parts = (
        (c.label, isolate(c.old or "none"), isolate(c.new or "none")) for c in list_changes(event) if c.old != c.new
    )
    return format_html_join(" · ", "{}: {} → {}", parts) if "changes" in get_data(event) else SafeString("")


def format_label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def render_value(name: str, value: Any) -> str:
    """Return a field's value as words; a time as HTML, which scripts show in the reader's time zone."""
    if name in _TIMES and isinstance(value, str) and _ISO_TIME.fullmatch(value):
        return moment(datetime.fromisoformat(value))
    return format_value(value)


def format_value(value: Any) -> str:
    """Return a value of JSON as words; empty for None."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(format_value(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {format_value(item)}" for name, item in value.items())
    return str(value)


# URL names of targets' pages by kind; audit imports nothing from the packages that have them.
PAGES = {"key": "key-detail", "user": "user-detail", "ip_list": "ip-list-detail", "webhook": "webhook-detail"}


def get_event_url(event: Event) -> str:
    """Return the URL of the event's page; empty for events of early versions, which have no number."""
    if event.number is None:
        return ""
    return reverse("trail-installation" if event.account_id is None else "trail-detail", args=[event.number])


def get_target_url(event: Event) -> str:
    """Return the URL of the page of the event's target, which may no longer exist; empty if its kind has no page."""
    try:
        return reverse(PAGES[event.target_kind or ""], args=[event.target_id])
    except (KeyError, NoReverseMatch):
        return ""
