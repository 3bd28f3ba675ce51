"""Record that an auditor or Support read the logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audit.trail.chain import sanitize
from audit.trail.record import record
from audit.trail.selectors import list_events
from core.actor import Actor
from core.page_guard import SignedIn
from core.pages import own_account
from core.permissions import Role

REPEAT_INTERVAL = timedelta(minutes=10)
# How many of the newest events are searched for a repetition.
MAX_EVENTS_SEARCHED = 1000


def record_log_read(*, by: Actor, account_id: int | None, log: str, filters: Mapping[str, str]) -> None:
    """Record `log.read`, once in REPEAT_INTERVAL for each reader, account, log and set of filters."""
    data = {"log": log, "filters": sanitize(filters)}
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two requests of the same reader at once would both find nothing.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('log.read'), hashtext(%s))", [by.id])
        if not _is_recorded(account_id, by.id, data):
            record("log.read", by=by, account_id=account_id, **data)


def record_auditor_read(request: SignedIn, log: str, filters: Mapping[str, str]) -> None:
    """Record `log.read` for the user's own account if the user is an auditor. Other roles work with these pages all
    day; nothing is recorded for them."""
    if Role.AUDITOR in request.user.roles:
        record_log_read(by=request.actor, account_id=own_account(request).pk, log=log, filters=filters)


def _is_recorded(account_id: int | None, actor_id: str, data: dict[str, Any]) -> bool:
    newest = list_events(account_id).order_by("-seq").values("seq")[:MAX_EVENTS_SEARCHED]
    recent = list_events(account_id).filter(
        seq__in=newest, name="log.read", actor_id=actor_id, at__gt=timezone.now() - REPEAT_INTERVAL
    )
    return any(json.loads(body)["data"] == data for body in recent.values_list("body", flat=True))
