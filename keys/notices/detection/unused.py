"""What is granted and unused, once a month."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from accounts.models import Account
from audit.usage.unused import get_unused_days
from keys.notices.detection import Findings
from keys.notices.services.notices import Finding
from keys.selectors.unused import count_unused


def find(month: date, now: datetime) -> Findings:
    """Yield the accounts in which something is unused."""
    days = get_unused_days()
    for account in Account.objects.filter(status=Account.Status.ACTIVE).order_by("pk"):
        counts = count_unused(account, now - timedelta(days=days))
        if any(counts.values()):
            yield account, Finding(f"{month:%Y-%m}", {"days": days, **counts})
