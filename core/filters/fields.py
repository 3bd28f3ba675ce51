"""Form fields of the logs' filters. An invalid value is an error, never "no filter"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString


class FilterSelect(forms.Select):
    """A drop-down of a list's filters. Its markup is kept for the values that were chosen lately, because most pages of
    a list have the same."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        attributes = tuple((self.attrs | (attrs or {})).items())
        return _render_select(type(self), name, value, attributes, _freeze(self.choices))


@lru_cache(maxsize=256)
def _render_select(
    kind: type[FilterSelect], name: str, value: Any, attributes: tuple[tuple[str, Any], ...], choices: Any
) -> SafeString:
    return super(FilterSelect, kind(attrs=dict(attributes), choices=choices)).render(name, value)


def _freeze(choices: Iterable[Any]) -> tuple[Any, ...]:
    """Return the choices, those in groups too, as tuples."""
    return tuple((key, _freeze(word) if isinstance(word, list | tuple) else word) for key, word in choices)


def build_select(label: str) -> FilterSelect:
    """Return a drop-down with an accessible name, for filters without a visible label."""
    return FilterSelect(attrs={"aria-label": label})


def flatten_choices(choices: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return the label of each choice, also of those in groups."""
    labels: dict[str, str] = {}
    for key, word in choices:
        if isinstance(word, (list, tuple)):
            labels |= flatten_choices(word)
        else:
            labels[str(key)] = str(word)
    return labels


class OpenSelect(FilterSelect):
    """A drop-down that also keeps a value of the URL that is none of its choices."""

    def optgroups(self, name: str, value: list[Any], attrs: dict[str, Any] | None = None) -> Any:
        known = flatten_choices(self.choices)
        unknown = [(each, each) for each in value if each and each not in known]
        self.choices = [*self.choices, *unknown]
        return super().optgroups(name, value, attrs)


class TimeField(forms.CharField):
    """A time as a browser's date and time field sends it, in the zone that the form's `zone` names, or ISO 8601 with a
    zone of its own. Cleans to a datetime that may have no zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            time = parse_datetime(text)
        except ValueError:
            time = None
        if time is None or not 2000 <= time.year < 2100:
            raise ValidationError(f'"{text}" is not a time. Use the format 2026-11-20T17:30.')
        return time


class ZoneField(forms.CharField):
    """The time zone of From and To: a name of the IANA database, or empty for UTC."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> ZoneInfo:
        name = super().clean(value) or "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValidationError(f'"{name}" is not a time zone. Write it like Europe/Berlin.') from None


class AddressField(forms.CharField):
    """The client's address or a CIDR range."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return str(ip_network(text, strict=False)) if text else ""
        except ValueError:
            raise ValidationError(
                f'"{text}" is not an address or range. Write it like 203.0.113.7 or 203.0.113.0/24.'
            ) from None


NO_STATUS = (0, 0)
COMMON_STATUSES = (200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)


class StatusField(forms.CharField):
    """An HTTP status, a class of them, or `none`: 404, 5xx, none. Cleans to the first and last status that match, or to
    NO_STATUS."""

    # How pages and exports show the value `none`; the others are shown as they are.
    choices = (("none", "No status yet"),)
    widget = OpenSelect(
        choices=[
            *(("", "Any status"), *choices),
            *(
                ("2xx", "2xx Success"),
                ("3xx", "3xx Redirect"),
                ("4xx", "4xx Client error"),
                ("5xx", "5xx Server error"),
            ),
            *((code.value, f"{code.value} {code.phrase}") for code in HTTPStatus if code.value in COMMON_STATUSES),
        ]
    )

    def clean(self, value: Any) -> tuple[int, int] | None:
        text = super().clean(value).lower()
        if not text:
            return None
        if text == "none":
            return NO_STATUS
        if not re.fullmatch(r"[1-5](?:[0-9]{2}|xx)", text):
            raise ValidationError(
                f'"{text}" is not a status. Enter a status like 404 or 5xx, or none for calls without a status.'
            )
        return int(text.replace("x", "0")), int(text.replace("x", "9"))


class SlugOrNameField(forms.CharField):
    """An API or a module, by slug or by name. Cleans to the matching slugs. A slug without a known name is valid,
    because calls outlive APIs and modules."""

    widget: Any = forms.TextInput

    def __init__(self, *args: Any, names: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = names or {}
        if names:
            label = kwargs["label"]
            self.widget = OpenSelect(
                attrs={"aria-label": label},
                choices=[("", f"Any {label if label.isupper() else label.lower()}"), *names.items()],
            )

    @property
    def choices(self) -> list[tuple[str, str]]:
        return list(self.names.items())

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        if not text:
            return []
        folded = text.casefold()
        return [text, *(slug for slug, name in self.names.items() if folded in name.casefold().split(", "))]


class RequestIdField(forms.CharField):
    def clean(self, value: Any) -> UUID | None:
        text = super().clean(value)
        try:
            return UUID(text) if text else None
        except ValueError:
            raise ValidationError(f'"{text}" is not a request ID. Paste all 36 characters.') from None


class CallKeysetField(forms.CharField):
    """The position of a call: `time~request ID`."""

    def clean(self, value: Any) -> tuple[Any, UUID] | None:
        text = super().clean(value)
        if not text:
            return None
        time, _, request_id = text.partition("~")
        try:
            at = parse_datetime(time)
            if at is None or at.tzinfo is None:
                raise ValueError(time)
            return at, UUID(request_id)
        except ValueError:
            raise ValidationError(f'"{text}" is not a position in the log. Start again from the first page.') from None
