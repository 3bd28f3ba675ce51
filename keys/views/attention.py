"""What deserves a look, for the first lines of the overview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, User
from audit.calls.periods import Period
from audit.trail.last_verification import MAINTAIN_LATE_SECONDS
from core.authorization import has_permission
from core.permissions import Permission
from keys.notices.selectors import list_failing_endpoints, list_keys_with_new_networks
from keys.selectors.overview import KeyFigures

MAINTAIN_LATE = timedelta(seconds=MAINTAIN_LATE_SECONDS)
# An hour is summed once it is over, so the newest digest may be two hours old when all is well.
DIGEST_LATE = MAINTAIN_LATE + timedelta(hours=1)
# Refusals are worth a look when they are this many, and this many times as many as before.
MIN_RISE, RISE_FACTOR = 10, 2
# Of one kind; the others are a number.
MAX_NAMED = 3
# What is said of one key, and of several, that are so (keys.selectors.overview).
KEY_SENTENCES = {
    "inactive": (
        "The owner of 1 key is not active: calls with it are refused.",
        "The owners of {} keys are not active: calls with them are refused.",
    ),
    "expires_soon": ("1 key expires within 14 days.", "{} keys expire within 14 days."),
}


class Attention(NamedTuple):
    """Something that deserves a look, and the page that shows it."""

    text: str
    url: str


def find_attention(user: User, context: Mapping[str, Any], keys: KeyFigures) -> Iterator[Attention]:
    """Yield what deserves a look, the most urgent first; `context` is the page's."""
    yield from _find_in_trail(context)
    if (periods := context.get("periods")) and _rises(periods.day):
        day = periods.day
        yield Attention(
            f"{day.denied:,} calls were refused in 24 hours, {day.denied_before:,} in the 24 hours before.",
            build_log_url(day),
        )
    if user.account:
        yield from _find_networks(user, user.account)
        yield from _find_endpoints(user, user.account)
    yield from _find_overdue(keys)
    for figure in (*keys.to_review, *keys.by_status):
        if figure.count and figure.name in KEY_SENTENCES:
            one, several = KEY_SENTENCES[figure.name]
            text = one if figure.count == 1 else several.format(f"{figure.count:,}")
            yield Attention(text, f"{reverse('key-list')}?{figure.query}")


def build_log_url(period: Period, **filters: str) -> str:
    """Return the page of the API log with the refusals of the period that pass these filters."""
    params = {"from": f"{period.since:%Y-%m-%dT%H:%M}", "zone": "UTC", "decision": "denied"} | filters
    return f"{reverse('log-list')}?{urlencode({name: value for name, value in params.items() if value})}"


def _find_in_trail(context: Mapping[str, Any]) -> Iterator[Attention]:
    verification, digest = context.get("verification"), context.get("digest")
    if verification and verification.problems:
        yield Attention("The audit trail or the API log was tampered with.", reverse("trail-list"))
    elif verification and _is_late(verification.at, MAINTAIN_LATE):
        yield Attention("The audit trail was not verified for more than two hours: is maintain running?", "")
    if digest and _is_late(digest.until, DIGEST_LATE):
        yield Attention("The last digest is more than three hours old.", reverse("digest-list"))


def _find_networks(user: User, account: Account) -> Iterator[Attention]:
    """Yield the keys that were used from a network that nobody has acknowledged."""
    if not has_permission(user, Permission.KEYS_SEE):
        return
    found = list_keys_with_new_networks(account)
    for key in found[:MAX_NAMED]:
        networks = "a new network" if key.networks == 1 else f"{key.networks:,} new networks"
        yield Attention(f"{key.name} was used from {networks}.", reverse("key-networks", args=[key.public_id]))
    if (more := len(found) - MAX_NAMED) > 0:
        subject = "1 more key was" if more == 1 else f"{more:,} more keys were"
        yield Attention(f"{subject} used from new networks.", reverse("notices"))


def _find_endpoints(user: User, account: Account) -> Iterator[Attention]:
    """Yield the webhook endpoints that take no notices."""
    if not has_permission(user, Permission.USERS_SEE):
        return
    found = list(list_failing_endpoints(account))
    for endpoint in found[:MAX_NAMED]:
        since = f"{endpoint.failing_since:%Y-%m-%d %H:%M} UTC"
        url = reverse("webhook-detail", args=[endpoint.pk])
        yield Attention(f"Notices to {endpoint.host} have failed since {since}.", url)
    if (more := len(found) - MAX_NAMED) > 0:
        subject = "1 more webhook endpoint fails." if more == 1 else f"{more:,} more webhook endpoints fail."
        yield Attention(subject, reverse("notices"))


def _find_overdue(keys: KeyFigures) -> Iterator[Attention]:
    for each in keys.overdue[:MAX_NAMED]:
        # Part of a sentence here.
        why = each.why[0].lower() + each.why[1:]
        text = f"Rotation of {each.name} is overdue since {each.due_at:%Y-%m-%d}: {why}"
        yield Attention(text, reverse("key-detail", args=[each.public_id]))
    if (more := len(keys.overdue) - MAX_NAMED) > 0:
        subject = "1 more rotation is overdue." if more == 1 else f"{more:,} more rotations are overdue."
        yield Attention(subject, f"{reverse('key-list')}?rotation=due")


def _rises(day: Period) -> bool:
    return day.denied >= MIN_RISE and day.denied >= RISE_FACTOR * day.denied_before


def _is_late(at: datetime, limit: timedelta) -> bool:
    return timezone.now() - at > limit
