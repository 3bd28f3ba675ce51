"""Make notices, once each, with a delivery for every recipient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Account, User
from accounts.selectors import list_administrators
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.notices.kinds import KINDS, NOTICE_RETENTION, Kind
from keys.notices.models import Delivery, Endpoint, Notice
from keys.notices.selectors import get_channels

MAX_NAMED_KEYS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """What a notice is to say: `subject` tells it from others of its kind, `data` is that of the webhook's body, and
    `key` is the key it is about, if it is about one."""

    subject: str
    data: dict[str, Any]
    key: Key | None = None


@transaction.atomic
def make_notices(*, account: Account, kind: Kind, findings: Sequence[Finding], by: Actor) -> list[Notice]:
    """Make notices of those findings that the account was not told yet, with their deliveries, and return them.

    A notice is made even if nobody gets it, so that switching a channel on brings nothing that is over. Raise Denied.
    """
    authorization.require(by, Permission.KEYS_CHANGE, account=account)
    notices = _insert_new(account, kind, findings)
    if not notices:
        return []
    by_subject = {finding.subject: finding for finding in findings}
    channels = get_channels(account, kind)
    endpoints = list(Endpoint.objects.filter(account=account, enabled=True)) if channels.webhook else []
    administrators = list(list_administrators(account)) if channels.mail else []
    deliveries, now = [], timezone.now()
    for notice in notices:
        key = by_subject[notice.subject].key
        owner = key.owner if key and channels.mail and KINDS[kind].to_owner else None
        users = _join_owner(administrators, owner)
        deliveries += [Delivery(notice=notice, user=user, next_attempt_at=now) for user in users]
        deliveries += [Delivery(notice=notice, endpoint=endpoint, next_attempt_at=now) for endpoint in endpoints]
    Delivery.objects.bulk_create(deliveries)
    named = [finding.key.public_id for notice in notices if (finding := by_subject[notice.subject]).key]
    record(
        "notices.made",
        by=by,
        account_id=account.pk,
        kind=kind.value,
        count=len(notices),
        keys=sorted(set(named))[:MAX_NAMED_KEYS],
    )
    return notices


def delete_old_notices() -> int:
    """Delete notices past their retention with their deliveries, and return how many rows that were."""
    return Notice.objects.filter(created_at__lt=Now() - NOTICE_RETENTION).delete()[0]


def _insert_new(account: Account, kind: Kind, findings: Iterable[Finding]) -> list[Notice]:
    """Insert notices without those that are there already, which other hosts may be inserting now."""
    new = [Notice(account=account, kind=kind, subject=each.subject, data=each.data) for each in findings]
    known = _list_known(account, kind, new)
    new = [notice for notice in new if notice.subject not in known]
    Notice.objects.bulk_create(new, ignore_conflicts=True)
    inserted = set(Notice.objects.filter(pk__in=[notice.pk for notice in new]).values_list("pk", flat=True))
    return [notice for notice in new if notice.pk in inserted]


def _list_known(account: Account, kind: Kind, notices: Sequence[Notice]) -> set[str]:
    known: QuerySet[Notice] = Notice.objects.filter(account=account, kind=kind)
    return set(known.filter(subject__in=[each.subject for each in notices]).values_list("subject", flat=True))


def _join_owner(administrators: Sequence[User], owner: User | None) -> Iterator[User]:
    yield from administrators
    if owner is not None and owner.is_active and owner not in administrators:
        yield owner
