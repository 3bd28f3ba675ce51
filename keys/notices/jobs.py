"""The jobs of notices: detection, which `maintain` runs once an hour, and sending, once a minute."""

from __future__ import annotations

from collections import defaultdict

from django.utils import timezone

from accounts.models import Account
from audit.calls.seals import get_sealed_until
from audit.usage.sightings import get_summed_until
from core.actor import Actor
from keys.notices import mails, webhooks
from keys.notices.detection import Findings, expiry, networks, overlaps, refusals, rotation, unused
from keys.notices.kinds import Kind
from keys.notices.models import DetectionState
from keys.notices.services.endpoints import delete_retired_secrets
from keys.notices.services.networks import record_networks
from keys.notices.services.notices import Finding, delete_old_notices, make_notices


def detect(by: Actor) -> int:
    """Make the notices that are due in every active account, and return how many were made. Safe at any time from any
    node: nothing is said twice. How far calls were looked at is written down last, so that nothing is left out."""
    now = timezone.now()
    count = _make(Kind.KEY_EXPIRING, expiry.find(now), by)
    count += _make(Kind.KEY_ROTATION_UPCOMING, rotation.find_upcoming(now), by)
    count += _make(Kind.KEY_ROTATED, rotation.find_rotated(now), by)
    count += _make(Kind.OVERLAP_ENDING, overlaps.find_ending(now), by)
    count += _make(Kind.OVERLAP_ENDED_IN_USE, overlaps.find_ended_in_use(now), by)
    state, _ = DetectionState.objects.get_or_create(pk=1)
    if (until := get_summed_until()) and until != state.usage_until:
        count += sum(
            len(record_networks(account=account, seen=seen, by=by))
            for account, seen in networks.find(state.usage_until)
        )
        state.usage_until = until
    if (sealed := get_sealed_until()) and sealed != state.refusals_until:
        count += _make(Kind.REFUSALS_RISING, refusals.find(state.refusals_until, sealed), by)
        state.refusals_until = sealed
    month = now.date().replace(day=1)
    if month != state.unused_month:
        count += _make(Kind.GRANTS_UNUSED, unused.find(month, now), by)
        state.unused_month = month
    state.save()
    delete_old_notices()
    delete_retired_secrets()
    return count


def send(by: Actor) -> int:
    """Send the notices that are due, and return how many were delivered."""
    return mails.send_mails(by) + webhooks.send_webhooks(by)


def _make(kind: Kind, found: Findings, by: Actor) -> int:
    """Make the notices, those of an account in one transaction."""
    by_account: dict[Account, list[Finding]] = defaultdict(list)
    for account, finding in found:
        by_account[account].append(finding)
    return sum(
        len(make_notices(account=account, kind=kind, findings=findings, by=by))
        for account, findings in by_account.items()
    )
