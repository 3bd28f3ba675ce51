"""Determine when a proxy last asked the gateway about an API, from the last uses of its keys and the newest calls of no
account."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Max

from audit.calls.selectors import list_all_calls, list_calls
from keys.models import SecretUse

# Newest calls that are looked at, through the index of an account's calls: no API has an index of its own.
MAX_CALLS_SCANNED = 1_000


def get_last_contacts(slugs: Collection[str], account_id: int | None = None) -> Mapping[str, datetime]:
    """Return by slug when a proxy last asked about the API, without those that none is known to have asked about:
    allowed calls of any account, calls of no account, such as those of `doctor`, and calls of this account if given."""
    uses = SecretUse.objects.filter(secret__key__api__slug__in=slugs).values("secret__key__api__slug")
    found: dict[str, datetime] = dict(uses.annotate(at=Max("used_at")).values_list("secret__key__api__slug", "at"))
    of_nobody = list_all_calls().filter(account_id=None)
    for calls in (of_nobody, *([] if account_id is None else [list_calls(account_id)])):
        newest = calls.order_by("-time", "-request_id").values_list("api", "time")[:MAX_CALLS_SCANNED]
        for slug, at in newest:
            if slug in slugs and at > found.get(slug, datetime.min.replace(tzinfo=at.tzinfo)):
                found[slug] = at
    return found
