"""The box on the administration's first page: from what a customer says or pastes to their key, in any account.

The text is sent in a POST, looked through and forgotten: neither page nor URL, session, log or event holds it. The
event says by what was looked, and the API IDs of what was found.
"""

from __future__ import annotations

from django.db import transaction

from audit.calls.selectors import list_all_calls
from audit.trail.events import Target
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.selectors.find import FindResult, Scope, find_keys


@transaction.atomic
def find(*, text: str, by: Actor) -> FindResult:
    """Look for keys of all accounts by what was pasted or typed. Raises Denied."""
    authorization.require(by, Permission.ADMINISTRATION, account=None)
    found = find_keys(Scope(Key.objects.all(), list_all_calls()), text)
    keys = [match.key for match in found.matches]
    accounts = {key.account_id for key in keys}
    only = keys[0] if len(keys) == 1 else None
    record(
        "admin.searched",
        by=by,
        # Whose key was looked for sees it in their trail.
        account_id=accounts.pop() if len(accounts) == 1 else None,
        target=Target("key", only.public_id, only.name) if only else None,
        what=found.by,
        keys=[key.public_id for key in keys],
    )
    return found
