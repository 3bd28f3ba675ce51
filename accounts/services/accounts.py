"""Create, activate and suspend accounts."""

from __future__ import annotations

from django.db import transaction

from accounts.models import Account
from accounts.services.locks import build_account_target, validate
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission


@transaction.atomic
def create_account(*, slug: str, name: str, status: str = Account.Status.ACTIVE, by: Actor) -> Account:
    authorization.require(by, Permission.ACCOUNTS_CHANGE, account=None)
    account = build_account(slug=slug, name=name, status=status)
    account.save()
    record("account.created", by=by, account_id=account.pk, target=build_account_target(account), status=account.status)
    return account


def build_account(*, slug: str, name: str, status: str) -> Account:
    """Return an account for `create_account` to save. Raise Invalid with every error."""
    account = Account(slug=slug, name=name, status=status)
    validate(account, line="name")
    return account


@transaction.atomic
def set_account_status(*, account: Account, status: str, by: Actor) -> Account:
    account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    authorization.require(by, Permission.ACCOUNTS_CHANGE, account=account)
    before, account.status = account.status, status
    validate(account)
    if before == account.status:
        return account
    account.save(update_fields=["status"])
    changes = {"status": [before, account.status]}
    record(
        "account.status_changed", by=by, account_id=account.pk, target=build_account_target(account), changes=changes
    )
    return account
