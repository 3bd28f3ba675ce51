"""Disable many keys at once."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from accounts.models import Account
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.services.locks import build_key_target

# Each key has its own event, and the chain's head stays locked until the last is written.
MAX_KEYS = 1_000


class TooManyKeys(Exception):
    """More than MAX_KEYS keys were to be disabled."""


@transaction.atomic
def disable_many(*, account: Account, keys: Collection[int], by: Actor) -> int:
    """Disable these keys of the account; return how many were enabled. All or none, one event for each.

    Calls are refused from the commit on. Raise Denied, AccountNotActive, TooManyKeys.
    """
    authorization.require(by, Permission.KEYS_DISABLE, account=account)
    authorization.require_active(account)
    if len(keys) > MAX_KEYS:
        raise TooManyKeys
    live = Key.objects.select_for_update(of=("self",), no_key=True).filter(account=account, deleted_at=None)
    enabled = live.filter(pk__in=keys, enabled=True).select_related("api").defer("api__document").order_by("pk")
    found = list(enabled)
    Key.objects.filter(pk__in=[key.pk for key in found]).update(enabled=False)
    for key in found:
        record("key.disabled", by=by, account_id=account.pk, target=build_key_target(key), api=key.api.slug)
    return len(found)
