"""Rate limits shared by all workers: sliding windows in PostgreSQL, a row for each name and key.

A limit is a sliding window: `most` tries in any `per`. Rows are never pushed out by others, however many there are;
`maintain` sweeps those that have run out. What was refused is counted in the row and told to the trail as one event
with its number, so that an attack cannot fill the trail.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from accounts.models import Limit, User
from audit.trail.record import record
from core.actor import Actor

MAX_KEY_LENGTH = 254


def count_attempt(name: str, key: str, *, most: int, per: timedelta) -> bool:
    """Count an attempt of `name` by `key` and return True; return False if `most` were counted within `per`.

    Outside the caller's transaction (RuntimeError inside one): what was counted stays counted.
    """
    key = _normalize_key(key)
    values: dict[str, Any] = {"name": name, "key": key, "most": most, "per": per}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_COUNT_SQL, values)
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_REFUSE_SQL, values)
    if row is not None and row[0]:
        _record_refusals(name, key)
    return row is not None


def refund_attempt(name: str, key: str) -> None:
    """Uncount the newest attempt, because it succeeded."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_REFUND_SQL, {"name": name, "key": _normalize_key(key)})


def get_address_key(address: str) -> str:
    """Return the key that a client is counted by: its IPv4 address, or the /64 network of its IPv6 address."""
    found = ipaddress.ip_address(address)
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def delete_expired() -> int:
    """Record the refusals of expired limits on the trail, delete the rows and return their number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, key FROM accounts_limit WHERE refused > 0 AND expires_at < clock_timestamp()")
        for name, key in cursor.fetchall():
            _record_refusals(name, key)
        cursor.execute("DELETE FROM accounts_limit WHERE refused = 0 AND expires_at < clock_timestamp()")
        return int(cursor.rowcount)


def _record_refusals(name: str, key: str) -> None:
    """Record one event for all refusals since the last one."""
    with transaction.atomic():
        limit = Limit.objects.select_for_update().filter(name=name, key=key, refused__gt=0).first()
        if limit is None:
            return
        refused = limit.refused
        Limit.objects.filter(name=name, key=key).update(refused=0)
        user = User.objects.filter(email=key).first()
        by = Actor("system", "limits", "Keyward")
        record("limit.held", by=by, account_id=user.account_id if user else None, limit=name, key=key, refused=refused)


def _normalize_key(key: str) -> str:
    return key.replace("\x00", "")[:MAX_KEY_LENGTH].casefold()


# clock_timestamp() is read again once the row is locked, so that parallel tries see one another.
_COUNT_SQL = """
INSERT INTO accounts_limit AS l (name, key, taken, refused, expires_at)
VALUES (%(name)s, %(key)s, ARRAY[clock_timestamp()], 0, clock_timestamp() + %(per)s)
ON CONFLICT (name, key) DO UPDATE SET
    taken = array(SELECT t FROM unnest(l.taken) t WHERE t > clock_timestamp() - %(per)s ORDER BY t)
        || clock_timestamp(),
    expires_at = clock_timestamp() + %(per)s
WHERE %(most)s > (SELECT count(*) FROM unnest(l.taken) t WHERE t > clock_timestamp() - %(per)s)
RETURNING refused
"""

_REFUSE_SQL = """
UPDATE accounts_limit SET refused = refused + 1, expires_at = greatest(expires_at, clock_timestamp() + %(per)s)
WHERE name = %(name)s AND key = %(key)s
"""

_REFUND_SQL = """
UPDATE accounts_limit SET taken = trim_array(taken, least(1, cardinality(taken)))
WHERE name = %(name)s AND key = %(key)s
"""
