"""Switch kinds of notices on and off."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from accounts.models import Account
from accounts.services.locks import build_account_target, lock_for_change
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.notices.kinds import Kind
from keys.notices.models import NoticeSwitch
from keys.notices.selectors import Channels, list_channels


@transaction.atomic
def switch_notices(*, account: Account, channels: Mapping[Kind, Channels], by: Actor) -> bool:
    """Save by which channels the account gets each kind of notice, and return whether that is a change. Raise Denied,
    AccountNotActive."""
    row = lock_for_change(account, Permission.USERS_CHANGE, by)
    assert row is not None
    before = list_channels(row)
    changed = {kind: channel for kind, channel in channels.items() if channel != before[kind]}
    if not changed:
        return False
    for kind, channel in changed.items():
        NoticeSwitch.objects.update_or_create(account=row, kind=kind, defaults=channel._asdict())
    changes = {kind.value: [_format(before[kind]), _format(channel)] for kind, channel in changed.items()}
    record("notices.switched", by=by, account_id=row.pk, target=build_account_target(row), changes=changes)
    return True


def _format(channels: Channels) -> str:
    return ", ".join(name for name, on in channels._asdict().items() if on) or "off"
