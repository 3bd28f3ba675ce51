"""What is typed into the logs' filters, read strictly: what means nothing is an error, never "no filter"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime


def build_select(label: str) -> forms.Select:
    """Return a drop-down with an accessible name, for filters without a visible label."""
    return forms.Select(attrs={"aria-label": label})


class TimeField(forms.CharField):
    """A time as a browser's date and time field sends it, in the zone that the form's `zone` names, or ISO 8601 with a
    zone of its own. Cleaned to a datetime that may lack its zone."""

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
            raise ValidationError(f"“{text}” is not a time. Use the format 2026-11-20T17:30.")
        return time


class ZoneField(forms.CharField):
    """The time zone that From and To are typed in: a name of the IANA database; empty for UTC."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> ZoneInfo:
        name = super().clean(value) or "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValidationError(f"“{name}” is not a time zone. Write it like Europe/Berlin.") from None


class AddressField(forms.CharField):
    """An address or CIDR range, for the client's address."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return str(ip_network(text, strict=False)) if text else ""
        except ValueError:
            raise ValidationError(
                f"“{text}” is not an address or range. Write it like 203.0.113.7 or 203.0.113.0/24."
            ) from None


NO_STATUS = (0, 0)


class StatusField(forms.CharField):
    """An HTTP status, a class of them, or that none has arrived yet: 404, 5xx, none. Cleaned to the first and last that
    are meant, or to NO_STATUS."""

    widget = forms.TextInput(attrs={"list": "statuses"})
    # What pages and exports say instead of the word that is typed.
    choices = (("none", "No status yet"),)

    def clean(self, value: Any) -> tuple[int, int] | None:
        text = super().clean(value).lower()
        if not text:
            return None
        if text == "none":
            return NO_STATUS
        if not re.fullmatch(r"[1-5](?:[0-9]{2}|xx)", text):
            raise ValidationError(
                f"“{text}” is not a status. Enter a status like 404 or 5xx, or none for calls without a status."
            )
        return int(text.replace("x", "0")), int(text.replace("x", "9"))


class SlugOrNameField(forms.CharField):
    """What calls name by a slug, given by slug or by name. Cleaned to the slugs that are meant: a slug that no name is
    known for is kept, because calls outlive what they called."""

    widget: Any = forms.TextInput

    def __init__(self, *args: Any, names: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = names or {}
        if names:
            label = kwargs["label"]
            self.widget = forms.Select(
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
        wanted = text.casefold()
        return [text, *(slug for slug, name in self.names.items() if wanted in name.casefold().split(", "))]

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        """With what was given among the choices, so that the form keeps it."""
        given = form.data.get(field_name)
        if isinstance(self.widget, forms.Select) and given and given not in self.names:
            self.widget.choices = [*self.widget.choices, (given, given)]
        return super().get_bound_field(form, field_name)


class RequestIdField(forms.CharField):
    def clean(self, value: Any) -> UUID | None:
        text = super().clean(value)
        try:
            return UUID(text) if text else None
        except ValueError:
            raise ValidationError(f"“{text}” is not a request ID. Paste all 36 characters.") from None


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
            raise ValidationError(f"“{text}” is not a position in the log. Start again from the first page.") from None
