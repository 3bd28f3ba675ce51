"""Check what the gateway would decide about a call, for a page of the account."""

from __future__ import annotations

from django.db import transaction

from accounts.models import Account
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Key
from keys.selectors.access_check import AccessCheck, CheckedCall
from keys.selectors.access_check import check_access as explain_access
from keys.services.locks import build_key_target


@transaction.atomic
def check_access(*, account: Account | None, call: CheckedCall, by: Actor) -> AccessCheck:
    """Return the decision about a call with a key of the account; of any account without one. Raise Denied.

    A check with a token is recorded, because it says whether that token works; one without a token reads only what the
    pages of keys show. Raise UnknownApi.
    """
    authorization.require(by, Permission.ACCESS_CHECK, account=account)
    if call.token:
        authorization.require(by, Permission.KEYS_CHANGE, account=account)
    keys = Key.objects.all() if account is None else Key.objects.filter(account=account)
    checked = explain_access(keys, call)
    if call.token:
        record(
            "access.checked",
            by=by,
            account_id=checked.key.account_id if checked.key else account.pk if account else None,
            target=build_key_target(checked.key) if checked.key else None,
            api=checked.api,
            result=checked.reason or "allowed",
        )
    return checked
