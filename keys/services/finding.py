"""Find keys of an account by pasted text, which is matched and not stored."""

from __future__ import annotations

from django.db import transaction

from accounts.models import Account
from audit.calls.selectors import list_calls
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.selectors.find import FindResult, Scope, find_keys
from keys.selectors.keys import with_status
from keys.services.locks import build_key_target

# Results come from the keys, the API log and the audit trail.
REQUIRED_PERMISSIONS = (Permission.KEYS_SEE, Permission.LOG_SEE, Permission.TRAIL_SEE)


@transaction.atomic
def find(*, account: Account, text: str, by: Actor) -> FindResult:
    """Return the keys, deleted ones included, calls and events of the account that the text names. Raise Denied."""
    for permission in REQUIRED_PERMISSIONS:
        authorization.require(by, permission, account=account)
    keys = with_status(Key.objects.filter(account=account))
    found = find_keys(Scope(keys, list_calls(account.pk), account.pk), text)
    matched = [match.key for match in found.matches]
    record(
        "keys.searched",
        by=by,
        account_id=account.pk,
        target=build_key_target(matched[0]) if len(matched) == 1 else None,
        what=found.by,
        keys=[key.public_id for key in matched],
    )
    return found
