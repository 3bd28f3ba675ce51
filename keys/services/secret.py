"""A key's stored secret: its digest, and its sealed form where somebody must read it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

from django.conf import settings

from core.sealing import open_sealed, seal
from keys.apis.policy import Policy
from keys.crypto.secrets import compute_digest
from keys.models import Key, Secret


class SealingRing(NamedTuple):
    """Keys of one purpose by number. The gateway has the ring of signing secrets, never the one of tokens."""

    purpose: str
    keys: Mapping[int, bytes]


def get_sealing_ring(rules: Policy) -> SealingRing | None:
    """The ring that secrets of this policy are sealed under; None if nobody ever reads them again."""
    if rules.signs:
        return SealingRing("sign", settings.SIGNING_KEYS)
    return SealingRing("reveal", settings.SEALING_KEYS) if rules.revealable else None


def insert_secret(key: Key, token: str, rules: Policy) -> Secret:
    """The key's current secret; one that it had must be retired or gone by now."""
    secret = Secret(key=key)
    secret.pepper_id = max(settings.TOKEN_PEPPERS)
    secret.digest = compute_digest(token, settings.TOKEN_PEPPERS[secret.pepper_id])
    if ring := get_sealing_ring(rules):
        secret.sealed = seal_token(ring, key, secret, token)
    secret.save(force_insert=True)
    return secret


def lock_secrets(key: Key) -> list[Secret]:
    """All of the key's, locked in the order in which everyone locks secrets: the gateway's writer of last uses too."""
    return list(key.secrets.select_for_update().order_by("pk"))


def seal_token(ring: SealingRing, key: Key, secret: Secret, token: str) -> bytes:
    """The token as it is kept: under the ring's newest key, for this place alone."""
    return seal(token, ring=ring.keys, purpose=ring.purpose, **_get_place(key, secret))


def open_token(key: Key, secret: Secret, ring: SealingRing) -> str:
    """The token in clear. Raises SealBroken."""
    assert secret.sealed is not None
    return open_sealed(bytes(secret.sealed), ring=ring.keys, purpose=ring.purpose, **_get_place(key, secret))


class _Place(TypedDict):
    """Where a sealed form is kept; it opens nowhere else."""

    account: int
    key: str
    secret: str


def _get_place(key: Key, secret: Secret) -> _Place:
    return {"account": key.account_id, "key": key.public_id, "secret": str(secret.pk)}
