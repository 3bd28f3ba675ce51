"""Give up the secrets that need a lost key of a ring, so that an installation without it works again."""

from __future__ import annotations

from secrets import token_bytes
from typing import NamedTuple

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.services import remove_second_factors
from accounts.signin.sealed_factors import list_factors_under
from audit.trail.record import record
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Permission
from core.sealing import get_sealing_key_number
from keys.key_settings import Invalid
from keys.models import Key, Secret
from keys.notices.services.resealing import delete_webhook_secrets_under
from keys.services.resealing import get_live_secrets, get_rings_by_api

RINGS = {"SEALING_KEYS": "reveal", "SIGNING_KEYS": "sign", "TOKEN_PEPPERS": ""}
DIGEST_LENGTH = 32


class Discarded(NamedTuple):
    """The keys whose secrets were given up, and the users who lost their second factors."""

    keys: list[Key]
    users: list[User]


@transaction.atomic
def discard_secrets(*, ring: str, number: int, by: Actor) -> Discarded:
    """Give up what needs the lost key `number` of `ring`, a name in RINGS.

    SEALING_KEYS: the keys go on working and their tokens cannot be revealed; second factors are removed, with an event
    and a mail each; webhook endpoints that lose their secret are disabled. SIGNING_KEYS and TOKEN_PEPPERS: the keys are
    refused until somebody changes them. Raise Denied unless a command calls it, Invalid for a key that is in its ring
    or that nothing needs.
    """
    if by.kind != "command":
        raise Denied(Permission.APIS_CHANGE)
    if ring not in RINGS:
        raise Invalid({"ring": f"{ring!r} is not one of {', '.join(RINGS)}."})
    if number in getattr(settings, ring):
        raise Invalid({"number": f"{ring} has {number}: nothing under it is lost."})
    factors = list_factors_under(number) if ring == "SEALING_KEYS" else []
    users = [row.user for row in factors if row.type == Authenticator.Type.TOTP]
    for user in users:
        remove_second_factors(user=user, by=by)
    # What is left are recovery codes beside passkeys, which do not need the key.
    Authenticator.objects.filter(pk__in=[row.pk for row in factors]).delete()
    lost = _lock_secrets(ring, number)
    webhooks = delete_webhook_secrets_under(number) if ring == "SEALING_KEYS" else 0
    if not lost and not factors and not webhooks:
        raise Invalid({"number": f"Nothing needs {ring} {number}."})
    for secret in lost:
        secret.sealed = None
        if ring == "TOKEN_PEPPERS":
            # No token has this digest.
            secret.digest, secret.pepper_id = token_bytes(DIGEST_LENGTH), max(settings.TOKEN_PEPPERS)
    Secret.objects.bulk_update(lost, ["sealed", "digest", "pepper_id"])
    record(
        "secrets.discarded",
        by=by,
        account_id=None,
        ring=ring,
        number=number,
        count=len(lost) + webhooks,
        factors=len(factors),
    )
    return Discarded(list({secret.key_id: secret.key for secret in lost}.values()), users)


def _lock_secrets(ring: str, number: int) -> list[Secret]:
    """Lock and return the working secrets that need the key, ordered by primary key."""
    rows = get_live_secrets().select_related("key__account").select_for_update(of=("self",), no_key=True).order_by("pk")
    if ring == "TOKEN_PEPPERS":
        return list(rows.filter(pepper_id=number))
    rings = get_rings_by_api()
    return [
        secret
        for secret in rows
        if secret.sealed is not None
        and rings[secret.key.api_id].purpose == RINGS[ring]
        and get_sealing_key_number(bytes(secret.sealed)) == number
    ]
