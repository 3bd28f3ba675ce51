"""Rate limits shared by all workers: sliding windows in PostgreSQL, a row for each limit and key.

No number of other rows displaces a limit's row; `maintain` deletes expired ones. Refused attempts are counted in the
row and recorded as one event with their number, so that an attack cannot fill the trail.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from accounts.models import Limit, User
from audit.trail.record import record
from core.actor import Actor

MAX_KEY_LENGTH = 254


class RateLimit(NamedTuple):
    """At most `most` attempts of `name` in any `per`."""

    name: str
    most: int
    per: timedelta


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Failed attempts with one e-mail, password and second step together; successful ones are refunded.
SIGN_IN = RateLimit("sign-in", 5, 5 * MINUTE)
# All attempts from one address, for whatever user.
SIGN_IN_FROM_ADDRESS = RateLimit("sign-in from an address", 30, MINUTE)
# Mails to one e-mail address, and from one IP address.
RESET, RESET_FROM_ADDRESS = RateLimit("reset", 5, HOUR), RateLimit("reset", 20, HOUR)
INVITATION, INVITATION_FROM_ADDRESS = RateLimit("invitation", 5, HOUR), RateLimit("invitation", 20, HOUR)
# Requests with a link to a key's documentation, from one IP address.
DOCS_LINK_FROM_ADDRESS = RateLimit("documentation links", 60, MINUTE)
# Refused requests of Support that are recorded one by one.
ADMIN_REFUSAL = RateLimit("administration", 30, 10 * MINUTE)


def count_attempt(limit: RateLimit, key: str) -> bool:
    """Count an attempt by `key` and return True; return False if the limit is reached.

    Raise RuntimeError inside a transaction, whose rollback would undo the count.
    """
    key = _normalize_key(key)
    values: dict[str, Any] = {"key": key, **limit._asdict()}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_COUNT_SQL, values)
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_REFUSE_SQL, values)
    if row is not None and row[0]:
        _record_refusals(limit.name, key)
    return row is not None


def refund_attempt(limit: RateLimit, key: str) -> None:
    """Take back the latest attempt, because it succeeded."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_REFUND_SQL, {"name": limit.name, "key": _normalize_key(key)})


def count_mail(limit: RateLimit, email: str, from_address: RateLimit, address: str | None) -> bool:
    """Count a mail to `email` that a client at `address` asks for; return False if either limit is reached."""
    source = get_address_key(address) if address else "nowhere"
    return count_attempt(from_address, source) and count_attempt(limit, email)


def get_address_key(address: str) -> str:
    """Return the key by which a client is counted: its IPv4 address, or the /64 network of its IPv6 address."""
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


# clock_timestamp() is read again once the row is locked, so that parallel attempts see each other.
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
