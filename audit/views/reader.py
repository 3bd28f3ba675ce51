"""Who reads the logs, and for which account."""

from __future__ import annotations

from django.http import QueryDict

from accounts.access import SignedIn
from accounts.models import Account
from accounts.permissions import Role
from audit import reading


def own_account(request: SignedIn) -> Account:
    """The reader's account; who has none holds no permission that opens these pages."""
    account = request.user.account
    assert account is not None
    return account


def note_reading(request: SignedIn, log: str, filters: dict[str, str]) -> None:
    """What an auditor reads is an event; other roles work with the pages all day."""
    if Role.AUDITOR in request.user.roles:
        reading.note_reading(by=request.actor, account_id=own_account(request).pk, log=log, filters=filters)


def without(query: QueryDict, *names: str) -> QueryDict:
    """The page's address without some of its names."""
    rest = query.copy()
    for name in names:
        rest.pop(name, None)
    return rest
