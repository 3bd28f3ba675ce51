"""Old secrets whose overlap ends soon, or ended while they were used."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from accounts.models import Account
from audit.usage.sightings import list_retired_secret_uses
from keys.models import Secret, SecretUse
from keys.notices.detection import Findings
from keys.notices.services.notices import Finding
from keys.notices.words import describe_key, format_instant

# Before the end of overlaps that are longer than that; the later one only if the old secret was used lately.
REMINDER, LAST_REMINDER = timedelta(hours=24), timedelta(hours=4)
# A secret was used lately if it was used since the change and within this time.
LATELY = timedelta(hours=24)
# For how long after its end an overlap is looked at: sums of calls lag behind.
LOOK_BACK = timedelta(hours=48)
# A change without an overlap retires the old secret in the moment of the change.
SHORTEST = timedelta(minutes=1)


def find_ending(now: datetime) -> Findings:
    """Yield the overlaps that end within the time of a reminder."""
    ending = _list_old_secrets(now).filter(retires_at__gt=now, retires_at__lte=now + REMINDER)
    for secret in ending:
        before = LAST_REMINDER if secret.retires_at <= now + LAST_REMINDER else REMINDER
        used = _is_used_lately(secret, now)
        if secret.retires_at - secret.changed_at > before and (used or before == REMINDER):
            hours = int(before / timedelta(hours=1))
            yield secret.key.account, _build_finding(secret, f"{hours}h", {"hours": hours, "used_lately": used})


def find_ended_in_use(now: datetime) -> Findings:
    """Yield the overlaps that ended although the old secret was used lately, or that is presented since then."""
    ended = _list_old_secrets(now).filter(retires_at__gt=now - LOOK_BACK, retires_at__lte=now)
    secrets = list(ended.filter(retires_at__gt=F("changed_at") + SHORTEST))
    presented = list_retired_secret_uses([secret.key.public_id for secret in secrets])
    for secret in secrets:
        refused_at = presented.get(secret.key.public_id)
        if refused_at is not None and refused_at < secret.retires_at:
            refused_at = None
        # The first use of the new secret ended it: whoever used the old one before then may have been the same.
        used = _is_used_lately(secret, secret.retires_at) and not secret.ends_on_use
        if used or refused_at:
            data = {"refused_at": format_instant(refused_at) if refused_at else None}
            yield secret.key.account, _build_finding(secret, "ended", data)


def _list_old_secrets(now: datetime) -> QuerySet[Any]:
    """Return the old secrets of keys that work, with the time of the change and of the last use."""
    current = Secret.objects.filter(key=OuterRef("key"), retires_at=None).values("created_at")
    secrets = Secret.objects.annotate(changed_at=Subquery(current)).filter(
        Q(key__expires_at=None) | Q(key__expires_at__gt=now),
        changed_at__isnull=False,
        key__enabled=True,
        key__deleted_at=None,
        key__account__status=Account.Status.ACTIVE,
    )
    related = secrets.select_related("key__account", "key__api", "key__owner", "use")
    return related.defer("key__api__document", "key__api__policy").order_by("retires_at", "pk")


def _is_used_lately(secret: Any, at: datetime) -> bool:
    use: SecretUse | None = getattr(secret, "use", None)
    return use is not None and use.used_at >= max(secret.changed_at, at - LATELY)


def _build_finding(secret: Any, stage: str, facts: dict[str, Any]) -> Finding:
    use: SecretUse | None = getattr(secret, "use", None)
    ends_at = format_instant(secret.retires_at)
    data = {
        "key": describe_key(secret.key),
        "ends_at": ends_at,
        "old_secret": {
            "last_used_at": format_instant(use.used_at) if use else None,
            "last_used_from": use.address if use else None,
        },
    }
    return Finding(f"{secret.key.public_id} {ends_at} {stage}", data | facts, secret.key)
