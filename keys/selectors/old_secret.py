"""Queries about a key's previous secret: until when it works, and who still uses it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, Q, Value
from django.db.models.functions import Now

from audit.trail.selectors import list_events
from keys.models import Key, SecretUse

# How long an ended secret stays visible, for callers that still use it and ask why calls are refused.
VISIBLE_AFTER_END = timedelta(days=7)


class OldSecret(NamedTuple):
    """The secret before the current one: until when it works or worked, and the addresses that last used it, latest
    first."""

    until: datetime
    still_works: bool
    ends_on_use: bool
    used_at: datetime | None
    addresses: list[tuple[str, datetime]]


class LastChange(NamedTuple):
    at: datetime
    by: str


def get_old_secret(key: Key) -> OldSecret | None:
    """Return the old secret if it still works or ended within VISIBLE_AFTER_END, else None."""
    lately = key.secrets.filter(retires_at__gt=Now() - Value(VISIBLE_AFTER_END)).select_related("use")
    still_works = ExpressionWrapper(Q(retires_at__gt=Now()), output_field=BooleanField())
    old = lately.annotate(still_works=still_works).order_by("-retires_at").first()
    if old is None or old.retires_at is None:
        return None
    use: SecretUse | None = getattr(old, "use", None)
    addresses = [(address, datetime.fromisoformat(at)) for address, at in use.addresses.items()] if use else []
    addresses.sort(key=lambda one: one[1], reverse=True)
    return OldSecret(old.retires_at, old.still_works, old.ends_on_use, use.used_at if use else None, addresses)


def get_last_change(key: Key) -> LastChange | None:
    """Return who last changed the key's secret, and when."""
    events = list_events(key.account_id).filter(target_kind="key", target_id=key.public_id)
    event = events.filter(name="key.secret_changed").order_by("-seq").first()
    return LastChange(event.at, event.actor) if event else None
