"""Queries about scheduled rotations: when a key's secret is changed next, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet, Value

from accounts.models import Account
from keys.apis.policy import Policy
from keys.models import Key, Secret

# The hourly job changes a secret within an hour of the time at which it is due; a run may be missed.
OVERDUE = timedelta(hours=2)
# Overdue rotations that are looked at.
MAX_OVERDUE = 100


class NextRotation(NamedTuple):
    """When the secret is changed by its schedule, and why it cannot be then, or now if that is later: a sentence, empty
    if nothing is in the way."""

    due_at: datetime
    obstacle: str
    is_due: bool


def get_next_rotation(key: Key, now: datetime) -> NextRotation | None:
    """Return the key's next scheduled rotation; None without a schedule or a current secret."""
    if (schedule := key.scheduled_rotation) is None:
        return None
    secrets = list(key.secrets.all())
    current = next((secret for secret in secrets if secret.retires_at is None), None)
    if current is None:
        return None
    due_at = current.created_at + timedelta(days=schedule.days)
    return NextRotation(due_at, _find_obstacle(key, secrets, max(due_at, now)), due_at <= now)


def list_due_keys(at: datetime) -> QuerySet[Key]:
    """Return the live keys whose secret is changed by its schedule at that time or earlier, the oldest first."""
    days = F("rotation_days") * Value(timedelta(days=1))
    rotated_at = F("secrets__created_at") + ExpressionWrapper(days, output_field=DurationField())
    scheduled = Key.objects.filter(deleted_at=None, rotation_days__isnull=False, secrets__retires_at=None)
    due = scheduled.annotate(rotated_at=rotated_at).filter(rotated_at__lte=at).order_by("rotated_at", "pk")
    return due.select_related("account", "api", "owner").defer("api__document")


class OverdueRotation(NamedTuple):
    """A key whose secret should have been changed by its schedule, since when, and why it was not: a sentence."""

    public_id: str
    name: str
    due_at: datetime
    why: str


def list_overdue_rotations(keys: QuerySet[Key], now: datetime) -> list[OverdueRotation]:
    """Return those of the keys that work and whose rotation is overdue, the oldest first."""
    due = list_due_keys(now - OVERDUE).filter(pk__in=keys.order_by().values("pk"), enabled=True)
    found = []
    for key in due.prefetch_related("secrets")[:MAX_OVERDUE]:
        coming = get_next_rotation(key, now)
        if coming is not None and (key.expires_at is None or key.expires_at > now):
            why = coming.obstacle or "The hourly maintain has not changed it."
            found.append(OverdueRotation(key.public_id, key.name, coming.due_at, why))
    return found


def _find_obstacle(key: Key, secrets: Iterable[Secret], at: datetime) -> str:
    """Return why the secret cannot be changed by the schedule at that time, a sentence; empty if it can."""
    rules = Policy.from_data(key.api.policy)
    if not rules.revealable:
        return "Secrets of this API are shown once, so nobody could read the new one."
    if not (settings.SIGNING_KEYS if rules.signs else settings.SEALING_KEYS):
        return "No sealing key is configured, so nobody could read the new secret."
    if key.account.status != Account.Status.ACTIVE:
        return f"The account is {key.account.status}."
    if not key.enabled:
        return "The key is disabled."
    if key.expires_at is not None and key.expires_at <= at:
        return f"The key stops working before, on {key.expires_at:%Y-%m-%d %H:%M} UTC."
    ends = max((secret.retires_at for secret in secrets if secret.retires_at is not None), default=at)
    return f"The old secret works until {ends:%Y-%m-%d %H:%M} UTC." if ends > at else ""
