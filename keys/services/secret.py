"""Store a key's secret: its digest, and its sealed form where it must be readable again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

from django.conf import settings

from core.sealing import open_sealed, seal
from keys.apis.policy import Policy
from keys.crypto.secrets import compute_digest
from keys.models import Key, Secret


class SealingRing(NamedTuple):
    """Sealing keys of one purpose by number. The gateway has the ring of signing secrets, never that of tokens."""

    purpose: str
    keys: Mapping[int, bytes]


def get_sealing_ring(rules: Policy) -> SealingRing | None:
    """Return the ring that secrets of this policy are sealed under; None if they are never read again."""
    if rules.signs:
        return SealingRing("sign", settings.SIGNING_KEYS)
    return SealingRing("reveal", settings.SEALING_KEYS) if rules.revealable else None


def insert_secret(key: Key, token: str, rules: Policy) -> Secret:
    """Insert the key's current secret and return it. The caller has retired or deleted the previous one."""
    secret = Secret(key=key)
    secret.pepper_id = max(settings.TOKEN_PEPPERS)
    secret.digest = compute_digest(token, settings.TOKEN_PEPPERS[secret.pepper_id])
    if ring := get_sealing_ring(rules):
        secret.sealed = seal_token(ring, key, secret, token)
    secret.save(force_insert=True)
    return secret


def lock_secrets(key: Key) -> list[Secret]:
    """Lock all secrets of the key, ordered by primary key as in the gateway's last-use writer, and return them."""
    return list(key.secrets.select_for_update().order_by("pk"))


def seal_token(ring: SealingRing, key: Key, secret: Secret, token: str) -> bytes:
    """Return the token sealed under the ring's newest key and bound to this account, key and secret."""
    return seal(token, ring=ring.keys, purpose=ring.purpose, **_get_place(key, secret))


def open_token(key: Key, secret: Secret, ring: SealingRing) -> str:
    """Return the token in clear text. Raise SealBroken."""
    assert secret.sealed is not None
    return open_sealed(bytes(secret.sealed), ring=ring.keys, purpose=ring.purpose, **_get_place(key, secret))


class _Place(TypedDict):
    """What a sealed form is bound to: it opens only for this account, key and secret."""

    account: int
    key: str
    secret: str


def _get_place(key: Key, secret: Secret) -> _Place:
    return {"account": key.account_id, "key": key.public_id, "secret": str(secret.pk)}
