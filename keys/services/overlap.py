"""The time in which a changed key's old secret still works."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Func

from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key, Secret
from keys.services.locks import build_key_target


class ClockTimestamp(Func):
    """The moment, not the transaction's beginning, from which gateways refuse the old secret."""

    function = "clock_timestamp"
    output_field = DateTimeField()


@transaction.atomic
def end_early(*, secret_id: UUID, by: Actor) -> bool:
    """Retire the old secret now, because its key's new one is in use; its sealed form is destroyed. False, and no
    event, if it was not to end so, or has ended already: of several calls that ask, the first does it."""
    found = Secret.objects.filter(pk=secret_id).values_list("key_id", flat=True).first()
    if found is None:
        return False
    keys = Key.objects.select_for_update(of=("self",), no_key=True).select_related("account", "api")
    key = keys.defer("api__document").get(pk=found)
    authorization.require(by, Permission.KEYS_CHANGE, account=key.account)
    ended = Secret.objects.filter(pk=secret_id, ends_on_use=True, retires_at__gt=ClockTimestamp()).update(
        retires_at=ClockTimestamp(), sealed=None
    )
    if ended:
        record("key.overlap_ended", by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
    return bool(ended)
