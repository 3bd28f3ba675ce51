"""How values look on a page: times, states, and the filters that are on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import back_links

register = template.Library()

# Seconds and name; static/js/app.js counts with the same steps, so that nothing moves when it takes over.
RELATIVE_UNITS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))

# A state's word, and the tone of its badge: good, warn, bad or plain.
STATE_BADGES: dict[str, tuple[str, str]] = {
    "active": ("Active", "good"),
    "disabled": ("Disabled", "plain"),
    "expired": ("Expired", "bad"),
    "expires_soon": ("Expires soon", "warn"),
    "inactive": ("Inactive", "bad"),
    "pending": ("Pending", "warn"),
    "suspended": ("Suspended", "bad"),
    "allowed": ("Allowed", "good"),
    "denied": ("Denied", "bad"),
}


def format_relative(value: datetime, now: datetime) -> str:
    """`value` seen from `now`: "2 minutes ago", "in 5 months", "just now"."""
    seconds = (now - value).total_seconds()
    for size, name in RELATIVE_UNITS:
        count = int(abs(seconds) // size)
        if count:
            words = f"{count} {name}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"


@register.simple_tag
def when(value: datetime | None, never: str = "Never") -> SafeString:
    """Return a relative time with the absolute one in its tooltip, or `never`."""
    if value is None:
        return format_html('<span class="muted">{}</span>', never)
    iso, words = _format_utc(value)
    ago = format_relative(value, timezone.now())
    # Digits and words of our own: escaping them would take most of a cell's time.
    return SafeString(f'<time datetime="{iso}" title="{words} UTC" data-relative>{ago}</time>')


@register.simple_tag
def moment(value: datetime | None, never: str = "Never", ms: bool = False) -> SafeString:
    """Return an absolute time: UTC, or the reader's time zone if they switched to it. `ms` adds the milliseconds."""
    if value is None:
        return format_html('<span class="muted">{}</span>', never)
    iso, words = _format_utc(value, "milliseconds" if ms else "seconds")
    attribute = ' data-ms=""' if ms else ""
    return SafeString(f'<time datetime="{iso}" data-absolute{attribute}>{words} UTC</time>')


def _format_utc(value: datetime, until: str = "seconds") -> tuple[str, str]:
    """As programs and as people read it, in UTC."""
    utc = value.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z", utc.isoformat(" ", until)


@register.simple_tag
@lru_cache
def status(state: str, label: str = "") -> SafeString:
    """Return the badge of a state: a dot and a word. An unknown state is shown as it is, in the plain tone."""
    word, tone = STATE_BADGES.get(str(state), (str(state).replace("_", " ").capitalize(), "plain"))
    return format_html('<span class="badge {}">{}</span>', tone, label or word)


@register.simple_tag(takes_context=True)
def list_query(context: Mapping[str, Any]) -> str:
    """`back=...`, for links of a list's rows, so that what they open returns to the list as it is."""
    return back_links.encode_list_query(context["request"])


@register.simple_tag(takes_context=True)
def return_url(context: Mapping[str, Any], listed: str, otherwise: str, kind: str = "", number: object = "") -> str:
    """Where Cancel leads: to the list at `listed` as it was, at the row of this object if one is given; or `otherwise`
    if it was opened from elsewhere."""
    place = back_links.format_row_id(kind, number) if kind else ""
    return back_links.get_return_url(context["request"], listed, otherwise, place)


@register.filter
def is_needed(field: BoundField) -> bool:
    """Return whether the form asks for the field: it is required, or needed while it is shown (keys.forms.fields)."""
    return field.field.required or getattr(field.field, "needed", False)


@register.inclusion_tag("components/chips.html", takes_context=True)
def chips(context: Mapping[str, Any], form: Any, skip: str = "") -> dict[str, Any]:
    """Return the active filters: a chip for each filled field of `form`, with the URL of the page without it.

    `skip` names fields (comma separated) that get no chip and are kept by "Clear all", such as a tab.
    """
    request = context["request"]
    kept = {name.strip() for name in skip.split(",") if name.strip()}
    found, cleared = [], request.GET.copy()
    for name, field in form.fields.items():
        values = [value for value in request.GET.getlist(name) if value]
        if name in kept or not values:
            continue
        choices = {str(key): str(word) for key, word in getattr(field, "choices", ())}
        label = field.label or name.replace("_", " ").capitalize()
        found.append(
            (f"{label}: {', '.join(choices.get(v, v) for v in values)}", _build_url_without(request.GET, name))
        )
        cleared.pop(name, None)
    for position in ("after", "before", "page"):
        cleared.pop(position, None)
    return {"chips": found, "clear": f"?{cleared.urlencode()}"}


def _build_url_without(query: QueryDict, name: str) -> str:
    """Return the page's URL without one filter, at its first page."""
    rest = query.copy()
    for gone in (name, "after", "before", "page"):
        rest.pop(gone, None)
    return f"?{rest.urlencode()}"
