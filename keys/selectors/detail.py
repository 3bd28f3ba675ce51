"""Queries for a key's page: its modules and IP lists, its last events and edits, and its recent calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Lower, Now

from audit.calls.selectors import list_calls
from audit.trail.selectors import list_events
from keys.decision.containment import expand_contained
from keys.models import IpList, Key, Module

RECENT_PERIOD = timedelta(days=7)
MAX_CALLS_COUNTED = 1000
LAST_EVENTS = 10
MODULES = """
    SELECT m.slug, m.name, m.number, m.contained, g.key_id IS NOT NULL
    FROM keys_module m LEFT JOIN keys_keymodule g ON g.module_id = m.id AND g.key_id = %s
    WHERE m.api_id = %s ORDER BY m.position, m.id
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One saved change of a key; `changes` is {field: [old, new]}."""

    at: datetime
    by: str
    changes: dict[str, list[Any]]


class GrantedModule(NamedTuple):
    """A module that a key may call.

    If it was not granted itself, `through` lists the names of the granted modules that contain it.
    """

    module: Module
    through: list[str]


def list_granted_modules(key: Key) -> list[GrantedModule]:
    """Return the modules that the key was granted and all that they contain, in the API's order. The modules of the key
    and of its API must be loaded with it."""
    modules = sorted(key.api.modules.all(), key=lambda module: (module.position, module.pk))
    return _list_granted(key, modules, {module.slug for module in key.modules.all()})


def load_granted_modules(key: Key) -> list[GrantedModule]:
    """Return what list_granted_modules does, of a key that was loaded alone."""
    modules, granted = [], set()
    with connection.cursor() as cursor:
        cursor.execute(MODULES, [key.pk, key.api_id])
        for slug, name, number, contained, is_granted in cursor.fetchall():
            modules.append(Module(slug=slug, name=name, number=number, contained=json.loads(contained)))
            granted |= {slug} if is_granted else set()
    return _list_granted(key, modules, granted)


def _list_granted(key: Key, modules: list[Module], granted: set[str]) -> list[GrantedModule]:
    if key.all_modules:
        return [GrantedModule(module, []) for module in modules]
    slugs = expand_contained(granted, {module.slug: module.contained for module in modules})
    return [
        GrantedModule(module, _list_containers(module, modules, granted)) for module in modules if module.slug in slugs
    ]


def _list_containers(module: Module, modules: list[Module], granted: set[str]) -> list[str]:
    if module.slug in granted:
        return []
    return [other.name for other in modules if other.slug in granted and module.slug in other.contained]


def list_last_edits(key: Key, count: int) -> list[Edit]:
    """Return the key's last `count` edits, oldest first. An expiry is also set when a key is reassigned."""
    edited = Q(name="key.edited") | Q(name="key.reassigned", body__contains='"expiry":')
    newest = _list_key_events(key).filter(edited).order_by("-seq")[:count]
    return [Edit(event.at, event.actor, json.loads(event.body)["data"]["changes"]) for event in reversed(newest)]


def list_last_events(key: Key) -> QuerySet[Any]:
    """Return the key's last events, newest first."""
    return _list_key_events(key).order_by("-seq")[:LAST_EVENTS]


def list_ip_lists(key: Key) -> QuerySet[IpList]:
    """Return the IP lists that the key is restricted to, annotated with `live`, the number of enabled entries."""
    used = IpList.objects.filter(uses__key=key)
    return used.annotate(live=Count("entries", filter=Q(entries__enabled=True))).order_by(Lower("name"), "pk")


def count_recent_calls(key: Key) -> int:
    """Return the number of calls of the last 7 days, at most MAX_CALLS_COUNTED, to show what a change would break."""
    since = Now() - Value(RECENT_PERIOD)
    calls = list_calls(key.account_id).filter(key_id=key.public_id, time__gte=since)
    return calls.order_by("-time")[:MAX_CALLS_COUNTED].count()


def _list_key_events(key: Key) -> QuerySet[Any]:
    return list_events(key.account_id).filter(target_kind="key", target_id=key.public_id)
