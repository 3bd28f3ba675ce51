"""Keep what was read of keys until something changes that decides about calls."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from django.db import connection

from core.bounded_cache import BoundedCache

Value = TypeVar("Value")


_EPOCH = "SELECT n, token::text FROM key_epoch"
# Gateways need to know what each advance of the epoch is about; of older ones than 10,000 it is not kept.
_EPOCH_WITHOUT_LISTS = """
    SELECT n, token::text FROM key_change WHERE kind <> 'ip_list' ORDER BY n DESC LIMIT 1
"""


def get_for_epoch(
    cache: BoundedCache[Value], key: Hashable, compute: Callable[[], Value], *, but_for_lists: bool = False
) -> Value:
    """Return what `compute` returned for this key if nothing was changed since that decides about calls; else compute
    it. With `but_for_lists`, it does not depend on the entries of IP lists.

    Triggers change the epoch in the transaction of each such change (keys/epoch_triggers.py), so a committed change is
    never missed. Within a transaction nothing is cached: it may be rolled back.
    """
    if connection.in_atomic_block:
        return compute()
    with connection.cursor() as cursor:
        cursor.execute(_EPOCH_WITHOUT_LISTS if but_for_lists else _EPOCH)
        version = cursor.fetchone()
        if version is None:
            cursor.execute(_EPOCH)
            version = cursor.fetchone()
    if (value := cache.get((key, version))) is None:
        value = compute()
        cache.put((key, version), value)
    return value
