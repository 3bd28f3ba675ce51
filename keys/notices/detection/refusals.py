"""Sudden rises in refusals, of a key or of an account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from audit.calls.rises import Rise, list_rises
from keys.models import Key
from keys.notices.detection import Findings
from keys.notices.services.notices import Finding
from keys.notices.words import describe_key, format_instant

HOUR = timedelta(hours=1)
# After a pause of maintain, the newest hours are looked at.
MAX_HOURS = 24


def find(since: datetime | None, until: datetime) -> Findings:
    """Yield the rises in the sealed hours between, once a day for each key and account."""
    first = until - HOUR if since is None else max(since, until - MAX_HOURS * HOUR)
    rises = list_rises(first, until)
    accounts = Account.objects.filter(status=Account.Status.ACTIVE).in_bulk({rise.account_id for rise in rises})
    keys = Key.objects.filter(public_id__in=[rise.key_id for rise in rises], deleted_at=None)
    by_id = {key.public_id: key for key in keys.select_related("api", "owner").defer("api__document", "api__policy")}
    for rise in rises:
        account, key = accounts.get(rise.account_id), by_id.get(rise.key_id)
        if account and (key or not rise.key_id):
            yield account, _build_finding(rise, key)


def _build_finding(rise: Rise, key: Key | None) -> Finding:
    data: dict[str, Any] = {
        "key": describe_key(key) if key else None,
        "hour": format_instant(rise.hour),
        "refused": rise.refused,
        "before": rise.before,
        "reasons": dict(sorted(rise.reasons.items(), key=lambda each: -each[1])),
    }
    return Finding(f"{rise.key_id or 'account'} {format_instant(rise.hour)[:10]}", data, key)
