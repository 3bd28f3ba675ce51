"""Keys whose secret is changed by a schedule soon, and those whose secret was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from audit.trail.selectors import list_events
from keys.models import Key
from keys.notices.detection import Findings
from keys.notices.services.notices import Finding
from keys.notices.words import describe_key, format_instant
from keys.selectors.old_secret import get_old_secret
from keys.selectors.rotation import get_next_rotation, list_due_keys

# Days before the rotation at which a notice is made.
STAGES = (1, 7)
# How long ago a secret was changed to be told of; `maintain` detects after each rotation.
RECENT_PERIOD = timedelta(days=2)
# Events of a new secret.
CHANGES = ("key.secret_changed", "key.secret_rotated")


def find_upcoming(now: datetime) -> Findings:
    """Yield the keys whose secret will be changed within 7 days, once at each stage, unless something is in the way."""
    due = list_due_keys(now + timedelta(days=max(STAGES))).filter(account__status=Account.Status.ACTIVE)
    for key in due:
        coming = get_next_rotation(key, now)
        if coming is None or coming.is_due or coming.obstacle:
            continue
        days = next(days for days in STAGES if coming.due_at <= now + timedelta(days=days))
        rotates_at = format_instant(coming.due_at)
        data = _describe(key, rotates_at=rotates_at, days=days)
        yield key.account, Finding(f"{key.public_id} {rotates_at} {days}", data, key)


def find_rotated(now: datetime) -> Findings:
    """Yield the keys whose secret was changed by their schedule lately and whose old one still works."""
    scheduled = Key.objects.filter(
        account__status=Account.Status.ACTIVE, deleted_at=None, rotation_days__isnull=False
    ).select_related("account", "api", "owner")
    lately = scheduled.filter(secrets__retires_at=None, secrets__created_at__gt=now - RECENT_PERIOD)
    for key in lately.defer("api__document", "api__policy").order_by("pk"):
        changes = list_events(key.account_id).filter(target_kind="key", target_id=key.public_id, name__in=CHANGES)
        last, old = changes.order_by("-seq").first(), get_old_secret(key)
        if last is not None and last.name == "key.secret_rotated" and old is not None and old.still_works:
            data = _describe(key, overlap_until=format_instant(old.until))
            yield key.account, Finding(f"{key.public_id} {last.seq}", data, key)


def _describe(key: Key, **more: Any) -> dict[str, Any]:
    assert key.scheduled_rotation is not None
    return {"key": describe_key(key), "interval_days": key.scheduled_rotation.days, **more}
