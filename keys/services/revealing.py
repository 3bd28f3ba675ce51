"""Reveal a key's current token."""

from __future__ import annotations

from django.db import transaction

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from core.sealing import SealBroken
from keys.apis.policy import Policy
from keys.models import Key
from keys.services.locks import build_key_target, lock_for_change
from keys.services.secret import get_sealing_ring, open_token


class NotRevealable(Exception):
    """Secrets of this API are shown only once, when the key is created."""


class UnreadableSecret(Exception):
    """The sealed form does not open: it was changed or moved, or its key is no longer configured."""


def reveal(*, key: Key, by: Actor) -> str:
    """Return the key's current token. The event is committed before the token is opened.

    Raise Denied, AccountNotActive, ConfirmationRequired, NotRevealable, UnreadableSecret.
    """
    with transaction.atomic(durable=True):
        key = lock_for_change(key, Permission.KEYS_CHANGE, by)
        secret = key.secrets.filter(retires_at=None).first()
        rules = Policy.from_data(key.api.policy)
        ring = get_sealing_ring(rules)
        if not rules.revealable or ring is None or secret is None or secret.sealed is None:
            raise NotRevealable
        by.spend_confirmation("key.reveal", key.public_id)
        record("key.revealed", by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
    try:
        return open_token(key, secret, ring)
    except SealBroken:
        with transaction.atomic():
            record("key.unreadable", by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
        raise UnreadableSecret from None
