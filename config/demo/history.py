"""Write the demo's log: the calls, each decided at its time by the code that decides in the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from random import Random
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connections

from audit.calls.insert import BATCH_COLUMNS
from config.demo.calls import DemoCall
from config.demo.keys import MadeKey
from config.demo.rhythm import DAY, list_times
from gateway.log_rows import Row, build_row
from keys.decision import types
from keys.decision.access import Decision, authorise
from keys.models import Key, Secret
from keys.selectors.access_check import CheckedCall, build_call
from keys.selectors.decision_keys import load_keys

COLUMNS = f"time, {', '.join(BATCH_COLUMNS)}, status, duration_ms, bytes"


class MadeCall(NamedTuple):
    """A call at its time, as the row that the gateway logs, and the secret that was sent with it."""

    at: datetime
    row: Row
    decision: Decision
    key: Key
    secret: UUID


def write_history(calls: Sequence[DemoCall], made: Mapping[str, MadeKey], now: datetime) -> list[MadeCall]:
    """Insert the calls, and return them by their times."""
    random = Random(42)  # noqa: S311 - the same at every first start
    history = sorted(_make_calls(calls, made, now, random), key=lambda call: call.at)
    _insert(history, random)
    return history


def _make_calls(
    calls: Sequence[DemoCall], made: Mapping[str, MadeKey], now: datetime, random: Random
) -> Iterator[MadeCall]:
    keys = load_keys(Key.objects.filter(pk__in=[each.key.pk for each in made.values()])).keys
    hour = now.replace(minute=0, second=0, microsecond=0)
    for call in calls:
        each = made[call.key]
        key = replace(keys[each.key.public_id], enabled=True)
        disabled = replace(key, enabled=False)
        read = _read(call, key)
        secret = _present(each.old_secret if call.old_secret and each.old_secret else each.secret)
        start = max(hour - call.since * DAY, each.secret.created_at if call.old_secret else each.key.created_at)
        end = now if call.until is None else hour - call.until * DAY
        for at in list_times(call.rhythm, call.per_day, start, end, random):
            current = disabled if each.disabled_at and at >= each.disabled_at else key
            decision = authorise(read, current, now=at.timestamp())
            row = build_row(key.api.slug, read.presented, decision, secret)
            yield MadeCall(at, (_build_request_id(at, random), *row[1:]), decision, each.key, secret.id)


def _present(secret: Secret) -> types.Secret:
    """Return the secret as one that matched; what it is compared by is left out."""
    return types.Secret(secret.pk, b"", secret.pepper_id, secret.retires_at.timestamp() if secret.retires_at else None)


def _read(call: DemoCall, key: types.Key) -> types.Call:
    """Return the call as the gateway reads it from the proxy, but for its request ID."""
    read = build_call(CheckedCall(call.method, call.uri, ip_address(call.address), key.public_id), key, key.api)
    assert read is not None
    proxy, host = next(iter(settings.GATEWAY_SECRETS), "socket"), f"{key.api.slug}.example.com"
    return replace(read, proxy=proxy, host=host, user_agent=call.agent, query=read.sent_query)


def _build_request_id(at: datetime, random: Random) -> str:
    """Return a UUIDv7 of the time."""
    milliseconds = int(at.timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)))


def _insert(history: Iterable[MadeCall], random: Random) -> None:
    """Insert the calls as the owner, the only role that may set a call's time, with status, duration and bytes as if
    from a proxy's access log."""
    with connections["maintenance"].cursor() as cursor, cursor.copy(f"COPY audit_call ({COLUMNS}) FROM STDIN") as copy:
        for call in history:
            status, size = call.decision.status, 0
            if call.decision.allowed:
                luck = random.random()
                status, size = 502 if luck < 0.01 else 404 if luck < 0.04 else 200, int(300 + 9000 * luck**3)
            duration = round(4 + 30 * random.random() + 600 * random.random() ** 12, 1)
            copy.write_row((call.at, *call.row, status, duration, size))
