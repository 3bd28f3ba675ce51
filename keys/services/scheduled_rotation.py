"""Change the secrets of keys by their schedules. `maintain` calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.authorization import AccountNotActive
from core.permissions import Permission
from keys.models import Key
from keys.selectors.rotation import get_next_rotation, list_due_keys
from keys.services.locks import build_key_target, lock_for_change
from keys.services.rotation import replace_secret
from keys.services.secret import lock_secrets

# Secrets that one run changes, so that it ends soon however many are due.
MAX_ROTATED = 1_000
# Keys that are loaded at a time.
CHUNK = 200
logger = structlog.get_logger("keyward.keys")


class RotationPostponed(Exception):
    """The rotation is due and cannot be done now; the text says why, a sentence."""


class PostponedRotation(NamedTuple):
    key: Key
    why: str

    def __str__(self) -> str:
        return f"{self.key.name} ({self.key.public_id}, account {self.key.account.slug}): {self.why}"


class RotationRun(NamedTuple):
    """How many secrets were changed, the keys whose rotation is due and was not possible, and how many more are due,
    which are left for the next run."""

    rotated: int
    postponed: list[PostponedRotation]
    remaining: int = 0


def rotate_due_keys(*, by: Actor) -> RotationRun:
    """Change the secret of each key whose scheduled rotation is due, each in a transaction of its own, MAX_ROTATED at
    most. One that fails holds no other up; the next run tries again."""
    now = timezone.now()
    due = list(list_due_keys(now).values_list("pk", flat=True))
    rotated, looked_at, postponed = 0, 0, list[PostponedRotation]()
    for key in _load(due, now):
        if rotated == MAX_ROTATED:
            break
        looked_at += 1
        # Most obstacles are seen without a lock, so that very many keys that wait cost little.
        if (coming := get_next_rotation(key, now)) and coming.obstacle:
            postponed.append(PostponedRotation(key, coming.obstacle))
            continue
        try:
            rotated += rotate_by_schedule(key=key, by=by)
        except RotationPostponed as why:
            postponed.append(PostponedRotation(key, str(why)))
        except Key.DoesNotExist:
            # Deleted meanwhile.
            continue
        except Exception as error:
            logger.exception("a secret could not be changed on schedule", key=key.public_id)
            postponed.append(PostponedRotation(key, f"{type(error).__name__}, which is in the log."))
    return RotationRun(rotated, postponed, len(due) - looked_at)


def _load(due: Sequence[int], now: datetime) -> Iterator[Key]:
    """Yield the keys in this order, some at a time."""
    for start in range(0, len(due), CHUNK):
        chunk = list_due_keys(now).filter(pk__in=due[start : start + CHUNK])
        yield from chunk.prefetch_related("secrets")


@transaction.atomic
def rotate_by_schedule(*, key: Key, by: Actor) -> bool:
    """Change the key's secret if its schedule says that it is time, and return whether it was changed.

    The old secret works during the schedule's overlap. Nobody gets the new token: Administrators reveal it. Raise
    Denied, RotationPostponed, Key.DoesNotExist.
    """
    authorization.require(by, Permission.KEYS_CHANGE, account=key.account)
    try:
        key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    except AccountNotActive as state:
        raise RotationPostponed(f"The account is {key.account.status}.") from state
    current = next((secret for secret in lock_secrets(key) if secret.retires_at is None), None)
    schedule, now = key.scheduled_rotation, timezone.now()
    coming = get_next_rotation(key, now)
    # Another run, or a user, may have changed it meanwhile.
    if schedule is None or current is None or coming is None or coming.due_at > now:
        return False
    if coming.obstacle:
        raise RotationPostponed(coming.obstacle)
    replace_secret(key, current.pk, schedule.overlap)
    record(
        "key.secret_rotated",
        by=by,
        account_id=key.account_id,
        target=build_key_target(key),
        api=key.api.slug,
        schedule=schedule.interval,
        overlap=schedule.overlap.label.lower(),
    )
    return True
