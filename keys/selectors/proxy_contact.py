"""Determine when a proxy last asked the gateway about an API, from the last uses of its keys, the sums of sealed
hours, and the newest calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Max

from audit.calls.rollups import get_last_hours
from audit.calls.selectors import list_all_calls
from keys.models import SecretUse

# Newest calls that are looked at, through the index of an account's calls: no API has an index of its own. They may all
# be of a busy API; then the calls of another count once their hour is sealed.
MAX_CALLS_SCANNED = 1_000


def get_last_contacts(slugs: Collection[str], account_id: int | None = None) -> Mapping[str, datetime]:
    """Return by slug when a proxy last asked about the API, without those that none is known to have asked about:
    allowed calls of any account, calls of no account, such as those of `doctor`, and calls of this account if given.
    Of calls in sealed hours it is the hour."""
    uses = SecretUse.objects.filter(secret__key__api__slug__in=slugs).values("secret__key__api__slug")
    found: dict[str, datetime] = dict(uses.annotate(at=Max("used_at")).values_list("secret__key__api__slug", "at"))
    for account in {None, account_id}:
        calls = list_all_calls().filter(account_id=account).order_by("-time", "-request_id")
        newest = calls.values_list("api", "time")[:MAX_CALLS_SCANNED]
        for slug, at in (*get_last_hours(slugs, account).items(), *newest):
            if slug in slugs:
                found[slug] = max(at, found.get(slug, at))
    return found
