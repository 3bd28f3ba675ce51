"""Reading what is left of a key's old secret, for its pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, Q, Value
from django.db.models.functions import Now

from audit.trail.selectors import list_events
from keys.models import Key, SecretUse

# What has ended is shown for so long: who has not changed over calls, and asks why.
VISIBLE_AFTER_END = timedelta(days=7)


class OldSecret(NamedTuple):
    """The secret before the current one: until when it works or worked, by the database's clock, and the addresses
    that it was last used from, each with its last time, the latest first."""

    until: datetime
    still_works: bool
    ends_on_use: bool
    used_at: datetime | None
    addresses: list[tuple[str, datetime]]


class LastChange(NamedTuple):
    at: datetime
    by: str


def get_old_secret(key: Key) -> OldSecret | None:
    """If there is one that goes on, or that ended a few days ago."""
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
    """Who last gave the key another secret, and when."""
    events = list_events(key.account_id).filter(target_kind="key", target_id=key.public_id)
    event = events.filter(name="key.secret_changed").order_by("-seq").first()
    return LastChange(event.at, event.actor) if event else None
