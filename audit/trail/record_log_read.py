"""An auditor's reading of the logs, and Support's, is an event too."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection, transaction

from audit.selectors import is_read_recorded
from audit.trail.chain import sanitize
from audit.trail.record import record
from core.actor import Actor


def record_log_read(*, by: Actor, account_id: int | None, log: str, filters: Mapping[str, str]) -> None:
    """Record `log.read`, once for each set of filters and ten minutes."""
    data = {"log": log, "filters": sanitize(filters)}
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two requests of the same person at once would both find nothing.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('log.read'), hashtext(%s))", [by.id])
        if not is_read_recorded(account_id, by.id, data):
            record("log.read", by=by, account_id=account_id, **data)
