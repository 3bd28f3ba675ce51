"""Find keys of an account by pasted text or a file, which is matched and not stored."""

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
from keys.selectors.found_tokens import TokensInText
from keys.services.locks import build_key_target

# Results come from the keys, the API log and the audit trail.
REQUIRED_PERMISSIONS = (Permission.KEYS_SEE, Permission.LOG_SEE, Permission.TRAIL_SEE)


@transaction.atomic
def find(*, account: Account, text: str, tokens: TokensInText, by: Actor) -> FindResult:
    """Return the keys, deleted ones included, calls and events of the account that the text names. `tokens` are those
    in it. Raise Denied."""
    for permission in REQUIRED_PERMISSIONS:
        authorization.require(by, permission, account=account)
    found = find_keys(Scope(Key.objects.filter(account=account), list_calls(account.pk), account.pk), text, tokens)
    record(
        "keys.searched",
        by=by,
        account_id=account.pk,
        target=build_key_target(found.keys[0]) if len(found.keys) == 1 else None,
        what=found.by,
        keys=[key.public_id for key in found.keys],
    )
    return found
