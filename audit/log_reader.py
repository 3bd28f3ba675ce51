"""Who reads the logs, and for which account."""

from __future__ import annotations

from django.http import QueryDict

from audit.trail import record_log_read
from core.page_guard import SignedIn
from core.pages import own_account
from core.permissions import Role


def record_auditor_read(request: SignedIn, log: str, filters: dict[str, str]) -> None:
    """What an auditor reads is an event; other roles work with the pages all day."""
    if Role.AUDITOR in request.user.roles:
        record_log_read.record_log_read(by=request.actor, account_id=own_account(request).pk, log=log, filters=filters)


def without(query: QueryDict, *names: str) -> QueryDict:
    """The page's address without some of its names."""
    rest = query.copy()
    for name in names:
        rest.pop(name, None)
    return rest
