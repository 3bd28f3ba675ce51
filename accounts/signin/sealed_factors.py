"""Seal the second factors that django-allauth stores, so that nobody with read access to the database can make a
code."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission
from core.sealing import SealBroken, get_sealing_key_number, open_sealed, seal

# A key's sealed secret does not open as a factor, nor a factor as a key.
_PLACE: dict[str, Any] = {"purpose": "second factor", "account": 0, "key": "", "secret": ""}
# The fields that allauth seals: an app's secret, the seed of recovery codes, codes migrated from another program.
_SEALED_FIELDS = ("secret", "seed", "migrated_codes")
_SEALED_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
BATCH_SIZE = 500


class MFAAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return b64encode(seal(text, ring=settings.SEALING_KEYS, **_PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            sealed = b64decode(encrypted_text)
        except ValueError as error:
            raise SealBroken from error
        return open_sealed(sealed, ring=settings.SEALING_KEYS, **_PLACE)

    def get_totp_issuer(self) -> str:
        return "Keyward"


class FactorBatch(NamedTuple):
    """The result of a batch: the last factor processed (None if no more follow), the number moved, the number that
    cannot be opened."""

    last: int | None
    moved: int
    broken: int


@transaction.atomic
def reseal_batch(*, after: int = 0, by: Actor) -> FactorBatch:
    """Seal the next second factors under the newest of SEALING_KEYS."""
    if by.kind != "command":
        raise Denied(Permission.APIS_CHANGE)
    adapter, newest = MFAAdapter(), max(settings.SEALING_KEYS)
    holders = Authenticator.objects.filter(type__in=_SEALED_TYPES, pk__gt=after)
    rows = list(holders.select_for_update(no_key=True).order_by("pk")[:BATCH_SIZE])
    moved = broken = 0
    for row in rows:
        if set(_list_key_numbers(row.data)) <= {newest}:
            continue
        try:
            row.data = _map_sealed(row.data, lambda sealed: adapter.encrypt(adapter.decrypt(sealed)))
        except SealBroken:
            broken += 1
            continue
        row.save(update_fields=["data"])
        moved += 1
    if moved:
        under = {"SEALING_KEYS": newest}
        record("secrets.resealed", by=by, account_id=None, what="second factors", count=moved, under=under, peppered=0)
    return FactorBatch(rows[-1].pk if rows else None, moved, broken)


def list_factors_under(number: int) -> list[Authenticator]:
    """Return the second factors and recovery codes that need this key of SEALING_KEYS."""
    holders = Authenticator.objects.filter(type__in=_SEALED_TYPES).select_related("user__account").order_by("pk")
    return [row for row in holders if number in _list_key_numbers(row.data)]


def count_factors_by_key() -> dict[int, int]:
    """Return the number of second factors for each of SEALING_KEYS."""
    holders = Authenticator.objects.filter(type__in=_SEALED_TYPES).values_list("data", flat=True)
    return dict(Counter(number for data in holders.iterator() for number in set(_list_key_numbers(data))))


def _list_key_numbers(data: dict[str, Any]) -> list[int]:
    numbers: list[int] = []

    def look(sealed: str) -> str:
        numbers.append(_get_key_number(sealed))
        return sealed

    _map_sealed(data, look)
    return numbers


def _get_key_number(sealed: str) -> int:
    try:
        return get_sealing_key_number(b64decode(sealed))
    except ValueError:
        return 0


def _map_sealed(data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return the data with `change` applied to every sealed text."""
    found = {name: data[name] for name in _SEALED_FIELDS if data.get(name)}
    return data | {
        name: [change(one) for one in sealed] if isinstance(sealed, list) else change(sealed)
        for name, sealed in found.items()
    }
