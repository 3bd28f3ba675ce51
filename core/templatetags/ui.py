"""Template tags that format values: times, states, and active filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BaseForm, BoundField
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from core import back_links, pages
from core.filters.fields import flatten_choices

register = template.Library()
# Parameters of a list's URL that say which page of it is shown.
POSITIONS = ("after", "before", "page", "start")

# After a slash but the first, before a field of a query, and before the domain of an e-mail address.
_PARTS = re.compile(r"(?<=[^\s/:]/)(?!$)|(?=\?|&amp;|@)")

# Seconds and name. static/js/app.js uses the same steps, so that nothing changes when it takes over.
RELATIVE_UNITS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))

# The label of each state, and the tone of its badge: good, warn, bad or plain.
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
    "delivered": ("Delivered", "good"),
    "waiting": ("Waiting", "plain"),
    "failing": ("Failing", "bad"),
    "known": ("Known", "good"),
    "new": ("New", "warn"),
    "given_up": ("Given up", "bad"),
}


@register.filter
def wrong_fields(form: BaseForm) -> list[BoundField]:
    """Return the visible fields that have errors, in the order of the page: the confirmation comes last."""
    return sorted(
        (field for field in form.visible_fields() if field.errors), key=lambda field: field.name == "password"
    )


@register.filter
def field_anchor(field: BoundField) -> str:
    """Return the ID of the field's input, of several the first."""
    return field.id_for_label or f"{field.auto_id}_0"


def format_age(value: datetime, now: datetime) -> str:
    """Return how long ago or ahead `value` is: "2 minutes", "5 months"; empty if less than a minute. What is ahead is
    rounded: the 7 days that were chosen a moment ago are not 6."""
    seconds = abs((now - value).total_seconds())
    if value > now:
        step = next((size for size, _ in RELATIVE_UNITS if seconds >= size), 1)
        seconds = int(seconds / step + 0.5) * step
    for size, name in RELATIVE_UNITS:
        if count := int(seconds // size):
            return f"{count} {name}{'s' if count > 1 else ''}"
    return ""


def format_relative(value: datetime, now: datetime) -> str:
    """Return `value` relative to `now`: "2 minutes ago", "in 5 months", "just now"."""
    age = format_age(value, now)
    if value > now:
        return f"in {age}" if age else "in a moment"
    return f"{age} ago" if age else "just now"


@register.simple_tag
def when(value: datetime | None, never: str = "Never") -> SafeString:
    """Return a relative time with the absolute one in its tooltip, or `never`."""
    if value is None:
        return _render_never(never)
    return _render_with_tooltip(value, "data-relative", format_relative(value, timezone.now()))


@register.simple_tag
def age(value: datetime | None, never: str = "–") -> SafeString:
    """Return how old something of this time is, with the time in its tooltip, or `never`."""
    if value is None:
        return _render_never(never)
    return _render_with_tooltip(value, "data-age", format_age(value, timezone.now()) or "under a minute")


@lru_cache(typed=True)
def _render_never(text: str) -> SafeString:
    return format_html('<span class="muted">{}</span>', text)


def _render_with_tooltip(value: datetime, kind: str, text: str) -> SafeString:
    iso, words = _format_utc(value)
    # Digits and fixed words only: escaping them would take most of the time of a cell.
    return SafeString(f'<time datetime="{iso}" title="{words} UTC" {kind}>{text}</time>')


@register.simple_tag
def clock(value: datetime) -> SafeString:
    """Return the time of day in UTC, with milliseconds, for rows under the heading of their day. Its tooltip has the
    whole time and the relative one. Scripts show the reader's time zone if they switched to it."""
    iso, words = _format_utc(value, "milliseconds")
    ago = format_relative(value, timezone.now())
    return SafeString(f'<time datetime="{iso}" title="{words} UTC, {ago}" data-clock>{words[11:]}</time>')


@register.filter
def day(value: datetime) -> str:
    """Return the day in UTC: "Monday 30 November 2026"."""
    return f"{value.astimezone(UTC):%A %-d %B %Y}"


@register.simple_tag
def moment(value: datetime | None, never: str = "Never", ms: bool = False) -> SafeString:
    """Return an absolute time: UTC, or the reader's time zone if they switched to it. `ms` adds the milliseconds."""
    if value is None:
        return _render_never(never)
    iso, words = _format_utc(value, "milliseconds" if ms else "seconds")
    attribute = ' data-ms=""' if ms else ""
    return SafeString(f'<time datetime="{iso}" data-absolute{attribute}>{words} UTC</time>')


def _format_utc(value: datetime, until: str = "seconds") -> tuple[str, str]:
    """Return the time in UTC, for programs and for people."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    return f"{text[:10]}T{text[11:]}Z", text if until == "milliseconds" else text[:19]


@register.simple_tag
@lru_cache(typed=True)
def status(state: str, label: str = "") -> SafeString:
    """Return the badge of a state: a dot and its label. An unknown state is shown as it is, in the plain tone."""
    word, tone = STATE_BADGES.get(str(state), (str(state).replace("_", " ").capitalize(), "plain"))
    return format_html('<span class="badge {}">{}</span>', tone, label or word)


@register.simple_tag(takes_context=True)
def list_query(context: Mapping[str, Any]) -> str:
    """Return `back=...` for the links of a list's rows, with which their pages return to the list as it is."""
    return back_links.encode_list_query(context["request"])


@register.simple_tag(takes_context=True)
def marked_rows(context: Mapping[str, Any]) -> frozenset[str]:
    """Return the element IDs of the rows that the page's messages are about; a fragment shows no messages."""
    request = context["request"]
    return frozenset() if request.htmx else pages.get_marked_rows(request)


@register.simple_tag
def row_attributes(kind: str, number: object, marked: frozenset[str]) -> SafeString:
    """Return the attributes of an object's row in a list: its element ID, and the class of a marked one."""
    row = back_links.format_row_id(kind, number)
    return format_html('id="{}" class="marked"', row) if row in marked else format_html('id="{}"', row)


@register.simple_tag(takes_context=True)
def return_url(context: Mapping[str, Any], listed: str, otherwise: str, kind: str = "", number: object = "") -> str:
    """Return where Cancel leads: to the list at `listed` as it was, at the row of this object if one is given; or to
    `otherwise` if the page was opened from elsewhere."""
    place = back_links.format_row_id(kind, number) if kind else ""
    return back_links.get_return_url(context["request"], listed, otherwise, place)


@register.filter
def breakable(value: object) -> SafeString:
    """Return an address of the web, a path or an e-mail address, which may be broken into lines between its parts."""
    return SafeString(_PARTS.sub("<wbr>", conditional_escape(str(value))))


@register.filter
def is_needed(field: BoundField) -> bool:
    """Return whether the form asks for the field: it is required, or needed while it is shown (keys.forms.fields), or
    the confirmation of a change that turned out to need one."""
    is_asked_for = field.name == "password" and bool(field.errors)
    return field.field.required or getattr(field.field, "needed", False) or is_asked_for


@register.inclusion_tag("components/chips.html", takes_context=True)
def chips(context: Mapping[str, Any], form: Any, skip: str = "") -> dict[str, Any]:
    """Return the active filters: a chip for each filled field of `form`, with the URL of the page without it.

    `skip` names fields (comma separated) that get no chip and are kept by "Clear all", such as a tab.
    """
    request = context["request"]
    skipped = {*POSITIONS, *(name.strip() for name in skip.split(",") if name.strip())}
    found, cleared = [], request.GET.copy()
    for name, field in form.fields.items():
        values = [value for value in request.GET.getlist(name) if value]
        if name in skipped or not values:
            continue
        choices = flatten_choices(getattr(field, "choices", ()))
        label = field.label or name.replace("_", " ").capitalize()
        found.append(
            (f"{label}: {', '.join(choices.get(v, v) for v in values)}", _build_url_without(request.GET, name))
        )
        cleared.pop(name, None)
    for position in POSITIONS:
        cleared.pop(position, None)
    return {"chips": found, "clear": f"?{cleared.urlencode()}"}


def _build_url_without(query: QueryDict, name: str) -> str:
    """Return the page's URL without one filter, at its first page."""
    rest = query.copy()
    for parameter in (name, *POSITIONS):
        rest.pop(parameter, None)
    return f"?{rest.urlencode()}"
