"""The search box on the admin's start page: find a key of any account by what a customer says or pastes.

The text is sent by POST and not stored: it appears in no page, URL, session, log or event. The event records the kind
of text and the API IDs of the matches.
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
from keys.selectors.found_tokens import TokensInText


@transaction.atomic
def find(*, text: str, tokens: TokensInText, by: Actor) -> FindResult:
    """Return the keys and calls of all accounts that the text names; `tokens` are those in it. Raise Denied."""
    authorization.require(by, Permission.ADMINISTRATION, account=None)
    found = find_keys(Scope(Key.objects.all(), list_all_calls()), text, tokens)
    keys = found.keys
    accounts = {key.account_id for key in keys}
    only = keys[0] if len(keys) == 1 else None
    record(
        "admin.searched",
        by=by,
        # The account whose keys were found sees the search in its trail.
        account_id=accounts.pop() if len(accounts) == 1 else None,
        target=Target("key", only.public_id, only.name) if only else None,
        what=found.by,
        keys=[key.public_id for key in keys],
    )
    return found
