"""Load keys as the decision takes them, those together that are alike.

A test compares them with what the gateway itself loads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from ipaddress import ip_network
from itertools import chain
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Account
from audit.trail.selectors import list_api_changes
from core.bounded_cache import BoundedCache
from keys import models
from keys.decision.addresses import Rule, build_rules
from keys.decision.containment import expand_contained
from keys.decision.types import Api, Key
from keys.selectors.decision import LoadedApi, load_api_version
from keys.selectors.epoch import get_for_epoch

# One row for all keys that differ only in what tells them apart. Plain SQL, because composing this statement takes
# Django longer than PostgreSQL takes to run it.
_SELECT = """
    WITH candidates (id, used_at) AS MATERIALIZED ({rows}), chosen AS (
        SELECT id FROM candidates ORDER BY used_at DESC NULLS LAST, id LIMIT %s
    ), found AS (
        SELECT k.account_id, a.slug AS account, a.status, a.mask_phone AS account_mask,
            k.owner_id, u.nickname AS owner, u.is_active,
            k.api_id, api.xmin::text || api.ctid::text AS api_version, EXISTS (
                SELECT FROM keys_enablement e WHERE e.account_id = k.account_id AND e.api_id = k.api_id
            ) AS api_enabled,
            k.enabled, k.expires_at, k.all_modules, k.mask_phone, k.hlr_lookup, k.recordings,
            ARRAY(SELECT module_id FROM keys_keymodule WHERE key_id = k.id ORDER BY module_id) AS granted,
            ARRAY(SELECT ip_list_id FROM keys_keyiplist WHERE key_id = k.id ORDER BY ip_list_id) AS lists,
            ARRAY(SELECT network FROM keys_address WHERE key_id = k.id ORDER BY network) AS own,
            k.id, k.public_id, k.name, k.username
        FROM chosen JOIN keys_key k USING (id) JOIN keys_api api ON api.id = k.api_id
            JOIN accounts_account a ON a.id = k.account_id JOIN accounts_user u ON u.id = k.owner_id
    )
    SELECT (SELECT count(*) FROM candidates), {alike},
        array_agg(id), array_agg(public_id), array_agg(name), array_agg(username)
    FROM found GROUP BY {alike}
"""
_ALIKE = (
    "account_id, account, status, account_mask, owner_id, owner, is_active, api_id, api_version, api_enabled, enabled, "
    "expires_at, all_modules, mask_phone, hlr_lookup, recordings, granted, lists, own"
)


class KeyLabels(NamedTuple):
    """What tells keys apart that are decided alike, if their secrets match."""

    id: int
    public_id: str
    name: str
    username: str


class _Row(NamedTuple):
    candidates: int
    account_id: int
    account: str
    account_status: str
    account_mask: bool
    owner_id: int
    owner: str
    owner_active: bool
    api_id: int
    api_version: str
    api_enabled: bool
    enabled: bool
    expires_at: datetime | None
    all_modules: bool
    mask: bool
    hlr: bool
    recordings: bool
    granted: list[int]
    lists: list[int]
    own: list[str]
    ids: list[int]
    public_ids: list[str]
    names: list[str]
    usernames: list[str]


@dataclass(frozen=True, slots=True)
class KeyKind:
    """Keys that are alike in all but their labels; `key` has none. `own_rules` are the rules of their own entries,
    `granted` the modules that they were granted themselves."""

    key: Key
    labels: Sequence[KeyLabels]
    own_rules: tuple[Rule, ...]
    granted: Sequence[int]

    def split(self, get_part: Callable[[str], object]) -> Iterator[KeyKind]:
        """Yield the keys apart for which the function, given the API ID, does not return the same."""
        parts: dict[object, list[KeyLabels]] = {}
        for each in self.labels:
            parts.setdefault(get_part(each.public_id), []).append(each)
        for labels in parts.values():
            yield replace(self, labels=labels)


@dataclass(frozen=True)
class LoadedKeys:
    """Keys by kind, their APIs by primary key, and the rules of their IP lists by the list's primary key. `left_out` is
    how many more keys there are."""

    kinds: Sequence[KeyKind]
    apis: Mapping[int, LoadedApi]
    list_rules: dict[int, tuple[Rule, ...]]
    left_out: int = 0
    _api_changes: dict[datetime, dict[int, set[str]]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def keys(self) -> dict[str, Key]:
        """The keys by API ID, each with its labels."""
        return {each.public_id: replace(kind.key, **each._asdict()) for kind in self.kinds for each in kind.labels}

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the keys by API ID."""
        return {each.public_id: each.name for kind in self.kinds for each in kind.labels}

    def get_api_changes(self, since: datetime) -> dict[int, set[str]]:
        """Return what was changed of each API since then, as its events name it, by API. Kept with the
        keys: what matters to a decision changes only with the epoch."""
        if since not in self._api_changes:
            numbers = {api.api.slug: pk for pk, api in self.apis.items()}
            changes: dict[int, set[str]] = {pk: set() for pk in self.apis}
            for slug, words in list_api_changes(numbers, since):
                changes[numbers[slug]].update(words)
            self._api_changes[since] = changes
        return self._api_changes[since]


_read_for_replay: BoundedCache[list[_Row]] = BoundedCache(8)
_loaded_for_replay: BoundedCache[LoadedKeys] = BoundedCache(8)


def load_keys(rows: QuerySet[models.Key], limit: int | None = None, *, for_replay: bool = False) -> LoadedKeys:
    """Return the live ones of these keys as the gateway knows them, but without their secrets; with a limit, the last
    used ones.

    For replays, their APIs match calls that are known by their route alone. Forms ask for them again and again as they
    are filled in, so they are kept until something changes that decides; `rows` may depend on nothing else, nor on the
    entries of IP lists: after a change of those, keys are not read again.
    """
    live_keys = rows.filter(deleted_at=None).order_by().values_list("pk", "listing__used_at").query
    try:
        sql, values = live_keys.sql_with_params()
    except EmptyResultSet:
        return LoadedKeys((), {}, {})
    values = (*values, limit)
    if not for_replay:
        return _build(_read(sql, values))
    key = sql, repr(values)

    def load() -> LoadedKeys:
        found = get_for_epoch(_read_for_replay, key, lambda: _read(sql, values), but_for_lists=True)
        return _build(found, for_replay=True)

    return get_for_epoch(_loaded_for_replay, key, load)


def _read(key_query: str, values: Sequence[Any]) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT.format(rows=key_query, alike=_ALIKE), values)
        return [_Row(*row) for row in cursor.fetchall()]


def _build(found: Sequence[_Row], *, for_replay: bool = False) -> LoadedKeys:
    apis = {row.api_id: load_api_version(row.api_id, row.api_version) for row in found}
    list_rules = load_list_rules({pk for row in found for pk in row.lists})
    # Keys with the same entries share their rules.
    build_own, join = cache(_parse_rules), build_rules_joiner(list_rules)
    kinds = []
    for row in found:
        api, own = apis[row.api_id], build_own(tuple(row.own))
        key = _build_key(row, api.for_replay if for_replay else api.api, join(own, frozenset(row.lists)))
        labels = list(map(KeyLabels, row.ids, row.public_ids, row.names, row.usernames))
        kinds.append(KeyKind(key, labels, own, row.granted))
    left_out = found[0].candidates - sum(len(kind.labels) for kind in kinds) if found else 0
    return LoadedKeys(kinds, apis, list_rules, left_out)


def _build_key(row: _Row, api: Api, rules: tuple[Rule, ...]) -> Key:
    return Key(
        id=0,
        public_id="",
        name="",
        account_id=row.account_id,
        account=row.account,
        account_active=row.account_status == Account.Status.ACTIVE,
        owner_id=row.owner_id,
        owner=row.owner,
        owner_active=row.owner_active,
        api=api,
        api_enabled=row.api_enabled,
        enabled=row.enabled,
        deleted=False,
        expires_at=row.expires_at.timestamp() if row.expires_at else None,
        all_modules=row.all_modules,
        module_ids=expand_contained(row.granted, api.contained),
        rules=rules,
        secrets=(),
        list_ids=frozenset(row.lists),
        mask=row.mask and row.account_mask,
        hlr=row.hlr,
        recordings=row.recordings,
    )


def build_rules_joiner(
    list_rules: Mapping[int, tuple[Rule, ...]],
) -> Callable[[tuple[Rule, ...], frozenset[int]], tuple[Rule, ...]]:
    """Return a function from a key's own rules and its lists to all its rules; keys with the same share one result."""

    @cache
    def join(rules: tuple[Rule, ...], lists: frozenset[int]) -> tuple[Rule, ...]:
        return (*rules, *chain.from_iterable(list_rules.get(pk, ()) for pk in sorted(lists)))

    return join


def load_list_rules(lists: Collection[int]) -> dict[int, tuple[Rule, ...]]:
    """Return the rules of each list's enabled entries by the list's primary key."""
    if not lists:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ip_list_id, array_agg(network) FROM keys_iplistentry"
            " WHERE enabled AND ip_list_id = ANY (%s) GROUP BY 1",
            [list(lists)],
        )
        networks = dict(cursor.fetchall())
    return {pk: _parse_rules(networks.get(pk, ())) for pk in lists}


def _parse_rules(networks: Iterable[str]) -> tuple[Rule, ...]:
    return build_rules(map(ip_network, networks))
