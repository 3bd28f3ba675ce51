"""Move the signing secrets of webhook endpoints to the newest of SEALING_KEYS, or give them up with a lost key."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission
from core.sealing import SealBroken, get_sealing_key_number
from keys.notices.endpoint_secrets import open_secret, seal_into
from keys.notices.models import Endpoint, EndpointSecret

BATCH_SIZE = 500
FIRST_ID = uuid.UUID(int=0)


class WebhookBatch(NamedTuple):
    """The result of a batch: the last secret examined (None at the end), the number moved, and that of those that do
    not open."""

    last: uuid.UUID | None
    moved: int
    broken: int


@transaction.atomic
def reseal_batch(*, after: uuid.UUID = FIRST_ID, by: Actor) -> WebhookBatch:
    """Reseal the next secrets in the order of their primary keys. Raise Denied unless a command calls it."""
    if by.kind != "command":
        raise Denied(Permission.APIS_CHANGE)
    newest = max(settings.SEALING_KEYS)
    rows = EndpointSecret.objects.filter(pk__gt=after).select_related("endpoint").order_by("pk")
    found = list(rows.select_for_update(of=("self",), no_key=True)[:BATCH_SIZE])
    moved, broken = [], 0
    for row in found:
        if get_sealing_key_number(bytes(row.sealed)) == newest:
            continue
        try:
            seal_into(row, open_secret(row))
        except SealBroken:
            broken += 1
            continue
        moved.append(row)
    if moved:
        EndpointSecret.objects.bulk_update(moved, ["sealed"])
        kind, under = "webhook secrets", {"SEALING_KEYS": newest}
        record("secrets.resealed", by=by, account_id=None, what=kind, count=len(moved), under=under, peppered=0)
    return WebhookBatch(found[-1].pk if found else None, len(moved), broken)


def count_webhook_secrets_by_key() -> Counter[int]:
    """Return the number of signing secrets for each of SEALING_KEYS."""
    sealed = EndpointSecret.objects.values_list("sealed", flat=True)
    return Counter(get_sealing_key_number(bytes(each)) for each in sealed)


def delete_webhook_secrets_under(number: int) -> int:
    """Delete the signing secrets that need this key, disable their endpoints, and return how many secrets there were.

    Call it in the transaction of the caller's event.
    """
    rows = EndpointSecret.objects.select_for_update(no_key=True).order_by("pk")
    lost = [row for row in rows if get_sealing_key_number(bytes(row.sealed)) == number]
    Endpoint.objects.filter(pk__in={row.endpoint_id for row in lost}).update(enabled=False)
    EndpointSecret.objects.filter(pk__in=[row.pk for row in lost]).delete()
    return len(lost)
