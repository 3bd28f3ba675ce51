"""Queries about a key's previous secret: until when it works, and who still uses it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db import connection
from django.urls import reverse

from audit.trail.selectors import list_events
from audit.usage.selectors import SecretUsage, read_secret_usage
from keys.models import Key

# How long an ended secret stays visible, for callers that still use it and ask why calls are refused.
VISIBLE_AFTER_END = timedelta(days=7)
# Plain SQL, because composing it takes Django ten times as long as PostgreSQL takes to run it.
FORMER = """
    SELECT s.retires_at, s.retires_at > statement_timestamp(), s.ends_on_use, used.used_at, used.addresses
    FROM keys_secret s LEFT JOIN keys_secretuse used ON used.secret_id = s.id
    WHERE s.key_id = %s AND s.retires_at > statement_timestamp() - %s ORDER BY s.retires_at DESC LIMIT 1
"""


class OldSecret(NamedTuple):
    """The secret before the current one: until when it works or worked, and the addresses that last used it, latest
    first."""

    until: datetime
    still_works: bool
    ends_on_use: bool
    used_at: datetime | None
    addresses: list[tuple[str, datetime]]


class OldSecretCaller(NamedTuple):
    """An address that used the old secret: how many of its calls were allowed and refused since the change, and the
    time of the last one, before the change if there is none. `url` leads to its calls in the API log."""

    address: str
    allowed: int
    refused: int
    last_seen: datetime
    url: str


class OldSecretUse(NamedTuple):
    """Who used the old secret, the most calls since the change first, and how many calls were allowed with it and with
    the new one since then. Unless `complete`, calls are missing because there were too many to read."""

    callers: list[OldSecretCaller]
    allowed: int
    allowed_with_new: int
    complete: bool


class LastChange(NamedTuple):
    at: datetime
    by: str


def get_old_secret(key: Key) -> OldSecret | None:
    """Return the old secret if it still works or ended within VISIBLE_AFTER_END, else None."""
    params: list[Any] = [key.pk, VISIBLE_AFTER_END]
    with connection.cursor() as cursor:
        cursor.execute(FORMER, params)
        if (found := cursor.fetchone()) is None:
            return None
    until, still_works, ends_on_use, used_at, used_from = found
    addresses = [(address, datetime.fromisoformat(at)) for address, at in json.loads(used_from or "{}").items()]
    addresses.sort(key=lambda one: one[1], reverse=True)
    return OldSecret(until, still_works, ends_on_use, used_at, addresses)


def read_key_secret_usage(key: Key) -> SecretUsage | None:
    """Return how the key was used since its secret was changed; None if it has no current secret."""
    changed_at = key.secrets.filter(retires_at=None).values_list("created_at", flat=True).first()
    return read_secret_usage(key.public_id, changed_at) if changed_at else None


def summarise_old_secret_use(key: Key, old: OldSecret, usage: SecretUsage) -> OldSecretUse:
    """Return who used the old secret, by address."""
    last = dict(old.addresses)
    counts: dict[str, Counter[bool]] = {address: Counter() for address in last}
    for group in usage.old:
        counts.setdefault(group.address, Counter())[not group.reason] += sum(group.calls)
        at = datetime.fromtimestamp(max(group.last_seen), UTC)
        last[group.address] = max(last.get(group.address, at), at)
    callers = [
        OldSecretCaller(address, number[True], number[False], last[address], _build_log_url(key, address))
        for address, number in counts.items()
    ]
    callers.sort(key=lambda caller: (caller.allowed + caller.refused, caller.last_seen), reverse=True)
    return OldSecretUse(
        callers,
        sum(caller.allowed for caller in callers),
        sum(sum(group.calls) for group in usage.current if not group.reason),
        usage.complete,
    )


def _build_log_url(key: Key, address: str) -> str:
    return f"{reverse('log-list')}?{urlencode({'range': '30d', 'key_id': key.public_id, 'address': address})}"


def get_last_change(key: Key) -> LastChange | None:
    """Return who last changed the key's secret, and when."""
    events = list_events(key.account_id).filter(target_kind="key", target_id=key.public_id)
    event = events.filter(name__in=("key.secret_changed", "key.secret_rotated")).order_by("-seq").first()
    return LastChange(event.at, event.actor) if event else None
