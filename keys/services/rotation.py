"""Change a key's secret, and control the overlap in which the old one still works.

A key has one current secret. The previous one may work during an overlap. A retired secret is kept, without its sealed
form, until the next change, so that calls with it are answered `secret_retired`.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Now
from django.utils import timezone

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.crypto.secrets import generate_token
from keys.key_settings import Invalid
from keys.models import Key, Secret
from keys.rotation_schedule import Overlap
from keys.services.locks import build_key_target, lock_for_change
from keys.services.secret import insert_secret, lock_secrets

# For how long after a change the old secret works at most, however often the overlap is extended.
MAX_OVERLAP = timedelta(days=30)


class ChangedKey(NamedTuple):
    """A key, its new token in clear text, which is shown once, and when the old secret retires, if it still works."""

    key: Key
    token: str
    until: datetime | None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key.public_id})"


class AlreadyChanged(Exception):
    """The secret to be changed is no longer the key's current one."""


class NoOverlap(Exception):
    """The key has no old secret that still works."""


@transaction.atomic
def change(*, key: Key, secret: uuid.UUID, overlap: Overlap, ends_on_use: bool = False, by: Actor) -> ChangedKey:
    """Give the key another secret. Return the key, the new token and the end of the overlap.

    `secret` is the current secret when the form was opened: a form changes the key once, and of two concurrent users
    the second gets AlreadyChanged. An older secret that still works ends at once. Needs the confirmation "key.change"
    of the API ID. Raise Denied, AccountNotActive, AlreadyChanged, ConfirmationRequired.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    require_current(key, secret)
    by.spend_confirmation("key.change", key.public_id)
    change = replace_secret(key, secret, overlap, ends_on_use=ends_on_use)
    record_change(change, overlap, ends_on_use=ends_on_use, by=by)
    return change


def require_current(key: Key, secret: uuid.UUID) -> None:
    """Lock the secrets of a locked key. Raise AlreadyChanged unless `secret` is the current one."""
    if not any(known.pk == secret and known.retires_at is None for known in lock_secrets(key)):
        raise AlreadyChanged


def record_change(change: ChangedKey, overlap: Overlap, *, ends_on_use: bool, by: Actor) -> None:
    """Record that the key was given another secret."""
    record(
        "key.secret_changed",
        by=by,
        account_id=change.key.account_id,
        target=build_key_target(change.key),
        api=change.key.api.slug,
        overlap=overlap.label.lower(),
        ends_on_use=ends_on_use and change.until is not None,
    )


def replace_secret(key: Key, secret: uuid.UUID, overlap: Overlap, *, ends_on_use: bool = False) -> ChangedKey:
    """Give the key another secret in place of the current one, `secret`, without an event. The caller has locked the
    key and its secrets."""
    key.secrets.filter(retires_at__lte=Now()).delete()
    _retire(key.secrets.exclude(retires_at=None))
    current = key.secrets.filter(pk=secret)
    if overlap == Overlap.NONE:
        _retire(current)
    else:
        current.update(retires_at=Now() + Value(overlap.duration), ends_on_use=ends_on_use)
    token = generate_token(settings.TOKEN_PREFIX, key.public_id).token
    insert_secret(key, token, Policy.from_data(key.api.policy))
    return ChangedKey(key, token, None if overlap == Overlap.NONE else current.get().retires_at)


@transaction.atomic
def end_overlap(*, key: Key, by: Actor) -> Key:
    """Retire the old secret now, and return the key. Raise Denied, AccountNotActive, NoOverlap."""
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    old = _get_old_secret(key)
    _retire(key.secrets.filter(pk=old.pk))
    record("key.overlap_ended", by=by, account_id=key.account_id, target=build_key_target(key), api=key.api.slug)
    return key


@transaction.atomic
def extend_overlap(*, key: Key, overlap: Overlap, by: Actor) -> datetime:
    """Let the old secret work for `overlap` from now on, MAX_OVERLAP after the change at most, and return the new end.

    Needs the confirmation "key.extend_overlap" of the API ID. Raise Denied, AccountNotActive, NoOverlap, Invalid,
    ConfirmationRequired.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    old = _get_old_secret(key)
    by.spend_confirmation("key.extend_overlap", key.public_id)
    latest = get_latest_overlap_end(key)
    if timezone.now() + overlap.duration > latest:
        raise Invalid({"overlap": f"The old secret can work until {latest:%Y-%m-%d %H:%M} UTC, not longer."})
    later = key.secrets.filter(pk=old.pk, retires_at__lt=Now() + Value(overlap.duration))
    if not later.update(retires_at=Now() + Value(overlap.duration)):
        raise Invalid({"overlap": "The old secret already works for longer than that. Choose a longer time."})
    until = key.secrets.get(pk=old.pk).retires_at
    assert until is not None
    record(
        "key.overlap_extended",
        by=by,
        account_id=key.account_id,
        target=build_key_target(key),
        api=key.api.slug,
        overlap=overlap.label,
    )
    return until


def get_latest_overlap_end(key: Key) -> datetime:
    """Return until when the old secret's overlap can be extended. If the new secret was lost, this counts from now."""
    changed_at = key.secrets.filter(retires_at=None).values_list("created_at", flat=True).first()
    return (changed_at or timezone.now()) + MAX_OVERLAP


@transaction.atomic
def destroy_expired_secrets(*, by: Actor) -> int:
    """Destroy the sealed forms of secrets whose overlap has ended, and return their number."""
    over = Secret.objects.filter(retires_at__lte=Now(), sealed__isnull=False).order_by("pk")
    swept = list(over.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True))
    if swept:
        Secret.objects.filter(pk__in=swept).update(sealed=None)
        record("secrets.destroyed", by=by, account_id=None, count=len(swept))
    return len(swept)


def _get_old_secret(key: Key) -> Secret:
    """Lock the key's secrets and return the old one that still works. Raise NoOverlap."""
    lock_secrets(key)
    old = key.secrets.filter(retires_at__gt=Now()).first()
    if old is None:
        raise NoOverlap
    return old


def _retire(secrets: models.QuerySet[Secret]) -> None:
    """Retire the secrets now and destroy their sealed forms."""
    secrets.update(retires_at=Now(), sealed=None, ends_on_use=False)
