"""Keep what was read of keys until something changes that decides about calls."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from django.db import connection

from core.bounded_cache import BoundedCache

Value = TypeVar("Value")


def get_for_epoch(cache: BoundedCache[Value], key: Hashable, compute: Callable[[], Value]) -> Value:
    """Return what `compute` returned for this key if nothing was changed since that decides about calls; else compute
    it.

    Triggers change the epoch in the transaction of each such change (keys/epoch_triggers.py), so a committed change is
    never missed. Within a transaction nothing is cached: it may be rolled back.
    """
    if connection.in_atomic_block:
        return compute()
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, token::text FROM key_epoch")
        epoch_key = key, cursor.fetchone()
    if (value := cache.get(epoch_key)) is None:
        value = compute()
        cache.put(epoch_key, value)
    return value
