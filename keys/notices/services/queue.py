"""The queue of deliveries: claim those that are due, and write down how each attempt ended.

A claim is a lease: it moves the next attempt to after LEASE in a short transaction, and the message is sent outside of
it. Whoever dies in between has its messages sent again after the lease, under the same ID.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Now

from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from keys.notices.models import MAX_ERROR_LENGTH, Delivery

# How long after each failed attempt the next one is made, as Standard Webhooks recommend; after the last, none.
RETRY_DELAYS = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1
LEASE = timedelta(minutes=5)


@transaction.atomic
def claim(deliveries: QuerySet[Delivery], limit: int) -> list[Delivery]:
    """Return up to `limit` of the deliveries that are due, with the attempt counted; no other process gets them within
    the lease."""
    due = deliveries.filter(next_attempt_at__lte=Now()).order_by("next_attempt_at", "pk")
    claimed = list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:limit])
    rows = Delivery.objects.filter(pk__in=claimed)
    rows.update(next_attempt_at=Now() + Value(LEASE), attempted_at=Now(), attempts=F("attempts") + 1)
    return list(rows.select_related("notice__account", "user", "endpoint").order_by("pk"))


@transaction.atomic
def mark_delivered(*, deliveries: Collection[Delivery], status: int | None = None) -> None:
    """Write down that the messages were taken."""
    rows = Delivery.objects.filter(pk__in=[each.pk for each in deliveries])
    rows.update(delivered_at=Now(), next_attempt_at=None, status=status, error="")


@transaction.atomic
def mark_failed(
    *, deliveries: Sequence[Delivery], error: str, recipient: Target, by: Actor, status: int | None = None
) -> list[Delivery]:
    """Plan the next attempt of each delivery, or give it up after the last; return those given up.

    All are of one account and one recipient, whom the event names.
    """
    given_up = []
    for delivery in deliveries:
        last = delivery.attempts >= MAX_ATTEMPTS
        delay = None if last else Now() + Value(RETRY_DELAYS[delivery.attempts - 1])
        Delivery.objects.filter(pk=delivery.pk).update(
            next_attempt_at=delay, status=status, error=error[:MAX_ERROR_LENGTH]
        )
        if last:
            given_up.append(delivery)
    if given_up:
        kinds = sorted({delivery.notice.kind for delivery in given_up})
        account_id = given_up[0].notice.account_id
        facts = {"count": len(given_up), "kinds": kinds, "error": error}
        record("notices.given_up", by=by, account_id=account_id, target=recipient, **facts)
    return given_up


@transaction.atomic
def release(*, deliveries: Collection[Delivery]) -> None:
    """Take back the claim of what was not tried."""
    rows = Delivery.objects.filter(pk__in=[each.pk for each in deliveries])
    rows.update(next_attempt_at=Now(), attempts=F("attempts") - 1)


@transaction.atomic
def drop(*, deliveries: Collection[Delivery], reason: str) -> None:
    """Give up without a further attempt what nobody is left to get."""
    rows = Delivery.objects.filter(pk__in=[each.pk for each in deliveries])
    rows.update(next_attempt_at=None, error=reason)
