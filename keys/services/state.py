"""Enable, disable and delete a key."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.services.locks import build_key_target, lock_for_change
from keys.services.secret import lock_secrets


@transaction.atomic
def enable(*, key: Key, by: Actor) -> Key:
    """Enable the key and return it. Raise Denied, AccountNotActive, ConfirmationRequired."""
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    by.spend_confirmation("key.enable", key.public_id)
    set_enabled(key, True, by)
    return key


@transaction.atomic
def disable(*, key: Key, by: Actor) -> Key:
    """Disable the key and return it; calls are refused from the commit on. Raise Denied, AccountNotActive."""
    key = lock_for_change(key, Permission.KEYS_DISABLE, by)
    set_enabled(key, False, by)
    return key


@transaction.atomic
def delete(*, key: Key, by: Actor) -> Key:
    """Delete the key and return it: its secrets are destroyed; its row stays, so that its API ID is never reused.

    Raise Denied, AccountNotActive.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    key.deleted_at = timezone.now()
    key.save(update_fields=["deleted_at"])
    lock_secrets(key)
    key.secrets.all().delete()
    record("key.deleted", by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
    return key


def set_enabled(key: Key, enabled: bool, by: Actor) -> bool:
    """Enable or disable a locked key and record it. Return whether it was otherwise."""
    if key.enabled == enabled:
        return False
    key.enabled = enabled
    key.save(update_fields=["enabled"])
    record_switch(key, by)
    return True


def record_switch(key: Key, by: Actor) -> None:
    """Record that the key was enabled or disabled, according to its present state."""
    name = "key.enabled" if key.enabled else "key.disabled"
    record(name, by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
