"""End the overlap of an old secret when the new one is first used."""

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
    """PostgreSQL's clock_timestamp(): the present time, not the start of the transaction."""

    function = "clock_timestamp"
    output_field = DateTimeField()


@transaction.atomic
def end_early(*, secret_id: UUID, by: Actor) -> bool:
    """Retire the old secret now because the new one is in use, and destroy its sealed form. Return whether it was
    ended.

    Return False without an event if the secret was not to end early or has ended already: of several concurrent calls
    the first ends it.
    """
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
