"""Keys that expire soon."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from keys.models import Key
from keys.notices.detection import Findings
from keys.notices.services.notices import Finding
from keys.notices.words import describe_key, format_instant

# Days before the expiry at which a notice is made.
STAGES = (1, 7, 30)


def find(now: datetime) -> Findings:
    """Yield the enabled keys that expire within the next 30 days, once at each stage.

    A key that was created for less time than a stage has none at it.
    """
    until = now + timedelta(days=max(STAGES))
    keys = Key.objects.filter(deleted_at=None, enabled=True, expires_at__gt=now, expires_at__lte=until)
    keys = keys.filter(account__status=Account.Status.ACTIVE).select_related("account", "api", "owner")
    for key in keys.defer("api__document", "api__policy").order_by("expires_at", "pk"):
        assert key.expires_at is not None
        days = next(days for days in STAGES if key.expires_at <= now + timedelta(days=days))
        if key.created_at <= key.expires_at - timedelta(days=days):
            expires_at = format_instant(key.expires_at)
            data: dict[str, Any] = {"key": describe_key(key), "expires_at": expires_at, "days": days}
            yield key.account, Finding(f"{key.public_id} {expires_at} {days}", data, key)
