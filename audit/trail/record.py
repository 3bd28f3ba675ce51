"""Append events to the audit trail. Nothing else writes it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.dispatch import Signal

from audit.trail import chain
from audit.trail.events import CATALOGUE, Target, WrongEvent
from core.actor import Actor

# Sent after the commit of an event, with its `name`.
event_recorded = Signal()

MAX_ID_LENGTH = 200  # indexed; an entry of a B-tree index holds at most 2,704 bytes

LOCK_HEAD = "SELECT seq, mac, clock_timestamp() FROM audit_head WHERE chain = 1 FOR UPDATE"
# Not part of LOCK_HEAD, whose snapshot may be older than the lock it waited for.
LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM audit_event WHERE account_id = %s"
LAST_NUMBER_OF_INSTALLATION = "SELECT coalesce(max(number), 0) FROM audit_event WHERE account_id IS NULL"
APPEND = """
    WITH appended AS (
        INSERT INTO audit_event (seq, at, body, key_id, prev, mac) VALUES (%s, %s, %s, %s, %s, %s)
        RETURNING seq, mac
    )
    UPDATE audit_head SET seq = appended.seq, mac = appended.mac FROM appended WHERE chain = 1
"""


class NotInTransaction(RuntimeError):
    """An event was about to be recorded outside the transaction of the change that it describes."""


def record(name: str, /, *, by: Actor, account_id: int | None, target: Target | None = None, **data: Any) -> int:
    """Append an event in the caller's transaction and return its place in the chain.

    Call it last: the chain's head is locked until the commit, and every other writer waits for it. Under the lock the
    event is numbered within its account, or among the installation's own. Its time is the database's. Text is
    sanitized, so that no input can make an event unwritable. Raise WrongEvent if the name or the fields in `data` are
    not in the catalogue, NotInTransaction outside a transaction.
    """
    event = CATALOGUE.get(name)
    if event is None:
        raise WrongEvent(f"event {name!r} is not in audit.trail.events.CATALOGUE")
    event.check(data)
    if not connection.in_atomic_block:
        raise NotInTransaction(f"event {name} needs the transaction of the change that it records")
    content = chain.sanitize(
        {
            "event": name,
            "account_id": account_id,
            "actor": {"kind": by.kind, "id": by.id[:MAX_ID_LENGTH], "label": by.label},
            "target": target and {"kind": target.kind, "id": target.id[:MAX_ID_LENGTH], "label": target.label},
            "address": by.address,
            "request_id": by.request_id,
            "confirmed_by": by.confirmation and by.confirmation.method,
            "data": data,
        }
    )
    key_id = next(iter(settings.AUDIT_KEYS))  # newest first
    with connection.cursor() as cursor:
        cursor.execute(LOCK_HEAD)
        last, prev, at = cursor.fetchone()
        if account_id is None:
            cursor.execute(LAST_NUMBER_OF_INSTALLATION)
        else:
            cursor.execute(LAST_NUMBER, [account_id])
        seq, number = last + 1, cursor.fetchone()[0] + 1
        body = chain.dump_json(content | {"number": number})
        mac = chain.compute_mac(
            settings.AUDIT_KEYS[key_id], prev, str(seq).encode(), chain.format_instant(at).encode(), body.encode()
        )
        cursor.execute(APPEND, [seq, at, body, key_id, prev, mac])
    transaction.on_commit(lambda: event_recorded.send(sender=None, name=name), robust=True)
    return seq
