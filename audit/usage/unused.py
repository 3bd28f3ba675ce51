"""What roll-ups know about grants that were used: querysets that pages about keys compose, and the calls since."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet
from django.db.models.expressions import Combinable

from audit.models import Usage
from audit.usage.roll_up import MAX_CALLS_READ

UNUSED_DAYS = 90
# Of a Use, after the key.
_COLUMNS = {"module": "module, NULL::text", "client_address": "'', host(client_address)"}
_UNTIL = "SELECT max(until) FROM audit_usage_state"
# The time is a parameter, because the planner must know how little of the log is left to read.
_RECENT = """
    SELECT DISTINCT key_id, {columns} FROM (
        SELECT key_id, module, client_address FROM audit_call
        WHERE key_id = ANY (%(keys)s) AND reason = ''
            AND time >= %(since)s
        ORDER BY time DESC LIMIT %(limit)s
    ) AS recent
"""
# Plain SQL, because composing it takes Django longer than PostgreSQL takes to run it.
_LAST = """
    SELECT key_id, {columns}, max(last_seen) FROM audit_usage WHERE reason = '' AND key_id = ANY (%s) GROUP BY 1, 2, 3
"""


class Use(NamedTuple):
    """An allowed call with a key: its module, and the address it came from."""

    key_id: str
    module: str
    address: str | None


def get_unused_days() -> int:
    """Return after how many days a grant counts as unused: no longer than the log is kept, which would prove
    nothing."""
    return min(UNUSED_DAYS, settings.LOG_RETENTION_DAYS or UNUSED_DAYS)


def list_allowed_uses(since: datetime) -> QuerySet[Usage]:
    """Return the sums of allowed calls, the last of which was made since then."""
    return Usage.objects.filter(reason="", last_seen__gte=since)


def list_last_uses(key_ids: Collection[str], by: Literal["module", "client_address"]) -> list[tuple[Use, datetime]]:
    """Return each key's modules or addresses, the other left empty, with the time of the last allowed call, of all that
    the log still has."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST.format(columns=_COLUMNS[by]), [list(key_ids)])
        return [(Use(*use), last) for *use, last in cursor.fetchall()]


def build_network_conditions(network: Combinable) -> tuple[Func, Func, Func]:
    """Return the conditions for calls from addresses of the network, the first two for an index of the address."""
    size = "CASE family(%(expressions)s) WHEN 4 THEN 32 ELSE 128 END"
    last = Func(network, template=f"set_masklen(broadcast(%(expressions)s), {size})")
    return _compare(">=", network), _compare("<=", last), _compare("<<=", network)


def list_recent_uses(key_ids: Collection[str], since: datetime, by: Literal["module", "client_address"]) -> set[Use]:
    """Return each key's modules or addresses, the other left empty, since the roll-ups end, as far as the newest
    MAX_CALLS_READ calls tell."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTIL)
        (until,) = cursor.fetchone()
        values = {"keys": list(key_ids), "since": max(until or since, since), "limit": MAX_CALLS_READ}
        cursor.execute(_RECENT.format(columns=_COLUMNS[by]), values)
        return {Use(*row) for row in cursor.fetchall()}


def _compare(operator: str, other: Combinable) -> Func:
    return Func(
        F("client_address"),
        other,
        template="%(expressions)s",
        arg_joiner=f" {operator} ",
        output_field=BooleanField(),
    )
