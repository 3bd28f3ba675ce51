"""Move sealed secrets to the newest key of their ring, and digests of readable tokens to the newest pepper.

Works in batches, each a transaction with its own event: after an interruption, the next run continues.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import BinaryField, Count, Q, QuerySet
from django.db.models.functions import Now, Substr

from accounts.signin.sealed_factors import count_factors_by_key
from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission
from core.sealing import HEADER_LENGTH, SealBroken, build_header, get_sealing_key_number
from keys.apis.policy import Policy
from keys.crypto.secrets import compute_digest
from keys.models import Api, Secret
from keys.notices.services.resealing import count_webhook_secrets_by_key
from keys.services.secret import SealingRing, get_sealing_ring, open_token, seal_token

BATCH_SIZE = 500
SAMPLE_SIZE = 20
# A sealed form begins with the version and the number of its key.
SEAL_HEADER = Substr("sealed", 1, HEADER_LENGTH, output_field=BinaryField())
FIRST_ID = uuid.UUID(int=0)


class ResealBatch(NamedTuple):
    """The result of a batch.

    `last` is the last secret examined, or None at the end; `broken` is how many do not open, because they were changed
    or their key is gone.
    """

    last: uuid.UUID | None
    moved: int
    broken: int


class RingUsage(NamedTuple):
    """How many working secrets need each key of a ring, by the key's number."""

    ring: str
    newest: int
    by_number: dict[int, int]

    @property
    def missing(self) -> dict[int, int]:
        """The part of `by_number` whose keys the ring does not contain."""
        known = getattr(settings, self.ring)
        return {number: count for number, count in self.by_number.items() if number not in known}


@transaction.atomic
def reseal_batch(*, after: uuid.UUID = FIRST_ID, by: Actor) -> ResealBatch:
    """Reseal the next secrets in the order of their primary keys. Row locks only: calls and edits continue meanwhile.

    Raise Denied unless a command calls it.
    """
    if by.kind != "command":
        raise Denied(Permission.APIS_CHANGE)
    rings = get_rings_by_api()
    rows = list(
        _get_stale_secrets()
        .filter(pk__gt=after)
        .select_related("key")
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")[:BATCH_SIZE]
    )
    moved, peppered = [], 0
    for secret in rows:
        ring = rings[secret.key.api_id]
        try:
            token = open_token(secret.key, secret, ring)
        except SealBroken:
            continue
        secret.sealed = seal_token(ring, secret.key, secret, token)
        peppered += secret.pepper_id != max(settings.TOKEN_PEPPERS)
        secret.pepper_id = max(settings.TOKEN_PEPPERS)
        secret.digest = compute_digest(token, settings.TOKEN_PEPPERS[secret.pepper_id])
        moved.append(secret)
    if moved:
        Secret.objects.bulk_update(moved, ["sealed", "pepper_id", "digest"])
        under = {"SEALING_KEYS": max(settings.SEALING_KEYS), "SIGNING_KEYS": max(settings.SIGNING_KEYS)}
        record(
            "secrets.resealed", by=by, account_id=None, what="secrets", count=len(moved), under=under, peppered=peppered
        )
    return ResealBatch(rows[-1].pk if rows else None, len(moved), len(rows) - len(moved))


def list_ring_usage() -> list[RingUsage]:
    """Return how many secrets need each key of each ring now."""
    sealing, signing = Counter[int](), Counter[int]()
    prefixes = _get_sealed_secrets().values_list(SEAL_HEADER, "key__api_id").annotate(count=Count("pk")).order_by()
    rings = get_rings_by_api()
    sealing.update(count_factors_by_key())
    sealing.update(count_webhook_secrets_by_key())
    for prefix, api, count in prefixes:
        counter = signing if rings[api].purpose == "sign" else sealing
        counter[get_sealing_key_number(bytes(prefix))] += count
    peppers = (
        get_live_secrets().values_list("pepper_id").annotate(count=Count("key", distinct=True)).order_by("pepper_id")
    )
    return [
        RingUsage("SEALING_KEYS", max(settings.SEALING_KEYS), dict(sealing)),
        RingUsage("SIGNING_KEYS", max(settings.SIGNING_KEYS), dict(signing)),
        RingUsage("TOKEN_PEPPERS", max(settings.TOKEN_PEPPERS), dict(peppers)),
    ]


def list_unreadable() -> list[str]:
    """Return a line for each key or pepper that secrets need and its ring does not contain or has wrong."""
    lines = []
    for ring in list_ring_usage():
        for number, count in sorted(ring.missing.items()):
            objects, harm = ("keys", "are refused") if ring.ring == "TOKEN_PEPPERS" else ("secrets", "cannot be read")
            lines.append(
                f"{ring.ring} lacks {number}, which {objects} need ({count}). Restore it: without it they {harm}."
            )
    return lines or _list_wrong_keys()


def _list_wrong_keys() -> list[str]:
    """Return a line for each ring whose keys have the right numbers but wrong values.

    A sample is opened: one broken secret means nothing, but one good secret means that the ring is right.
    """
    right: dict[str, bool] = {}
    rings = get_rings_by_api()
    for secret in _get_sealed_secrets().select_related("key").order_by("pk")[:SAMPLE_SIZE]:
        ring = rings[secret.key.api_id]
        name = "SIGNING_KEYS" if ring.purpose == "sign" else "SEALING_KEYS"
        try:
            token = open_token(secret.key, secret, ring)
        except SealBroken:
            right.setdefault(name, False)
            continue
        right[name] = True
        pepper = f"TOKEN_PEPPERS {secret.pepper_id}"
        same = compute_digest(token, settings.TOKEN_PEPPERS[secret.pepper_id]) == bytes(secret.digest)
        right[pepper] = same or right.get(pepper, False)
    return [
        f"{name} is not the value that existing secrets were made with. Restore the previous value."
        for name in right
        if not right[name]
    ]


def get_live_secrets() -> QuerySet[Secret]:
    """Return the working secrets of live keys."""
    return Secret.objects.filter(Q(retires_at=None) | Q(retires_at__gt=Now()), key__deleted_at=None)


def _get_sealed_secrets() -> QuerySet[Secret]:
    return get_live_secrets().filter(sealed__isnull=False)


def _get_stale_secrets() -> QuerySet[Secret]:
    newest = Q()
    for api, ring in get_rings_by_api().items():
        newest |= Q(key__api_id=api, under=build_header(max(ring.keys)))
    return _get_sealed_secrets().alias(under=SEAL_HEADER).exclude(newest & Q(pepper_id=max(settings.TOKEN_PEPPERS)))


def get_rings_by_api() -> dict[int, SealingRing]:
    """Return the ring of each API. An API that now shows secrets once may have sealed ones from before."""
    rings = {}
    for api in Api.objects.only("policy"):
        rules = Policy.from_data(api.policy)
        rings[api.pk] = get_sealing_ring(rules) or SealingRing("reveal", settings.SEALING_KEYS)
    return rings
