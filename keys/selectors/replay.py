"""Replay the calls of the last 30 days as if keys, IP lists, accounts, owners or APIs had been changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import chain
from types import MappingProxyType

from django.db.models import QuerySet

from audit.usage.outlines import read_outlines
from audit.usage.roll_up import WHOAMI
from audit.usage.selectors import CallGroup, KeyUsage, SecretUsage, read_usage
from keys import models
from keys.apis.description import Description
from keys.decision import replay
from keys.decision.addresses import Network, build_rules
from keys.decision.containment import expand_contained
from keys.decision.replay import Effect
from keys.decision.route_changes import UNLISTED, build_path_pattern, find_undecided, may_match
from keys.decision.routes import Route
from keys.decision.types import Api, Key
from keys.decision.used_calls import UsedCalls, match_route
from keys.key_settings import KeySettings
from keys.selectors.decision import LoadedApi, build_api, build_route, encode_logged_query
from keys.selectors.decision_keys import KeyKind, LoadedKeys, build_rules_joiner, load_keys, load_list_rules

# A change of more keys is replayed for those that were used last. Each has up to some hundred kinds of calls.
MAX_KEYS = 500


@dataclass(frozen=True)
class Replay:
    """The effect of a change on the calls since `since`. If there were too many to read, `scanned_since` is the time
    before which only part of them was. `names` are those of the keys that were replayed, by API ID; `left_out` is how
    many were not, because they are more than MAX_KEYS."""

    effect: Effect
    since: datetime | None
    scanned_since: datetime | None
    names: Mapping[str, str]
    left_out: int = 0

    def __bool__(self) -> bool:
        """Whether there is something to say: calls that change, or keys that were not replayed."""
        return bool(self.effect or self.left_out)


def replay_settings(
    key: models.Key, after: KeySettings, *, enabled: bool, new_networks: Collection[Network] = ()
) -> Replay:
    """Return the effect of these settings on the key's calls. `new_networks` are those of an IP list that is created
    with the change."""
    return replay_many_settings({key.public_id: after}, enabled=enabled, new_networks=new_networks)


def replay_many_settings(
    after: Mapping[str, KeySettings], *, enabled: bool | None = None, new_networks: Collection[Network] = ()
) -> Replay:
    """Return the effect on the calls with all these keys if each had the settings given for it, by API ID. Without
    `enabled`, they stay enabled or disabled; `new_networks` are those of an IP list that is created with the change."""
    loaded = _load_keys(models.Key.objects.filter(public_id__in=after))
    lists = frozenset().union(*(after[public_id].ip_lists for public_id in loaded.names))
    join = build_rules_joiner(loaded.list_rules | load_list_rules(lists - loaded.list_rules.keys()))
    # Keys with the same entries share their rules.
    build_own = cache(build_rules)

    def change(kind: KeyKind) -> Key:
        before, settings = kind.key, after[kind.labels[0].public_id]
        numbers = {slug: number for number, slug in before.api.modules}
        granted = [numbers[slug] for slug in settings.modules or () if slug in numbers]
        # A list that does not exist yet has no number.
        lists = settings.ip_lists | ({0} if new_networks else frozenset())
        return replace(
            before,
            enabled=before.enabled if enabled is None else enabled,
            expires_at=settings.expires_at.timestamp() if settings.expires_at else None,
            all_modules=settings.modules is None,
            module_ids=expand_contained(granted, before.api.contained),
            rules=join(build_own((*settings.networks, *new_networks)), settings.ip_lists),
            list_ids=frozenset(lists),
            recordings=settings.recordings,
        )

    def get_part(public_id: str) -> object:
        to = after[public_id]
        return to.networks, to.ip_lists, to.modules, to.expires_at, to.recordings

    kinds = [part for kind in loaded.kinds for part in kind.split(get_part)]
    return _replay(replace(loaded, kinds=kinds), change)


def replay_state(
    rows: QuerySet[models.Key],
    *,
    enabled: bool | None = None,
    owner_active: bool | None = None,
    account_active: bool | None = None,
) -> Replay:
    """Return the effect on the calls with these keys if they, their owners or accounts had another state; None is the
    present one."""

    def change(kind: KeyKind) -> Key:
        before = kind.key
        return replace(
            before,
            enabled=before.enabled if enabled is None else enabled,
            owner_active=before.owner_active if owner_active is None else owner_active,
            account_active=before.account_active if account_active is None else account_active,
        )

    return _replay(_load_keys(rows), change)


def replay_retirement(key: models.Key, usage: SecretUsage) -> Replay:
    """Return the effect of ending the key's old secret now on the calls made since it was changed."""
    loaded = _load_keys(models.Key.objects.filter(pk=key.pk))
    keys = loaded.keys
    changes = loaded.get_api_changes(usage.since)
    old, current = ([used for _, used in _build_calls(groups, keys, changes)] for groups in (usage.old, usage.current))
    effect = replay.replay_retirement(old, current, keys[key.public_id], now=time.time())
    return Replay(effect, usage.since, None, loaded.names)


def replay_ip_list(ip_list: models.IpList, networks: Collection[Network]) -> Replay:
    """Return the effect on the calls with the list's keys if the list admitted these networks and no others."""
    loaded = _load_keys(models.Key.objects.filter(list_grants__ip_list=ip_list))
    join = build_rules_joiner(loaded.list_rules | {ip_list.pk: build_rules(networks)})

    def change(kind: KeyKind) -> Key:
        return replace(kind.key, rules=join(kind.own_rules, kind.key.list_ids))

    return _replay(loaded, change)


def replay_api(api: models.Api, description: Description) -> Replay:
    """Return the effect on the calls with the API's keys if the API were as described."""
    loaded = _load_keys(models.Key.objects.filter(api=api))
    numbers = dict(models.Module.objects.filter(api=api).values_list("slug", "pk"))
    slugs = {number: slug for slug, number in numbers.items()}
    # Modules that do not exist yet have no primary key.
    modules = {numbers.get(module.slug, -place): module.slug for place, module in enumerate(description.modules, 1)}
    later = {slug: number for number, slug in modules.items()}
    routes = [build_route(later[each.slug], each.slug, route) for each in description.modules for route in each.routes]
    contained = {module.slug: module.contained for module in description.modules}
    changed = build_api(api.pk, api.slug, description.rules, modules, contained, routes)

    def change(kind: KeyKind) -> Key:
        granted = [later[slug] for pk in kind.granted if (slug := slugs[pk]) in later]
        return replace(kind.key, api=changed.for_replay, module_ids=expand_contained(granted, changed.api.contained))

    return _replay(loaded, change, {api.pk: changed})


def _load_keys(rows: QuerySet[models.Key]) -> LoadedKeys:
    return load_keys(rows, MAX_KEYS, for_replay=True)


def _replay(
    loaded: LoadedKeys, change: Callable[[KeyKind], Key], changed: Mapping[int, LoadedApi] = MappingProxyType({})
) -> Replay:
    """Read the calls of the keys and replay them with each kind of key as it is and as `change` makes it. `changed` are
    the APIs that the change is about, as they would be."""
    if not loaded.kinds:
        return Replay(Effect(), None, None, {})
    before: dict[str, Key] = {}
    after: dict[str, Key] = {}
    for kind in loaded.kinds:
        public_ids = [each.public_id for each in kind.labels]
        before |= dict.fromkeys(public_ids, kind.key)
        after |= dict.fromkeys(public_ids, change(kind))
    usage, changes = _read_usage(loaded, before, changed)
    calls = _build_calls(usage.groups, before, changes)
    if not changed:
        calls = ((api, match_route(used, api) if used.method else used) for api, used in calls)
    effect = replay.replay((used for _, used in calls), before, after, now=time.time())
    return Replay(effect, usage.since, usage.scanned_since, loaded.names, loaded.left_out)


def _read_usage(
    loaded: LoadedKeys, keys: Mapping[str, Key], changed: Mapping[int, LoadedApi]
) -> tuple[KeyUsage, Mapping[int, set[str]]]:
    """Return the calls with the keys, known by their paths where those decide, now or after the change, and what was
    changed of each API meanwhile."""
    # What the change makes undecided of all routes, so that the log is read once.
    every = {pk: {UNLISTED, *(route.text for route in loaded.apis[pk].routes)} for pk in changed}
    asked = _find_undecided(loaded, every, changed, dict.fromkeys(loaded.apis, ()))
    while True:
        usage = _read_usage_of(keys, asked)
        changes = loaded.get_api_changes(usage.since)
        undecided = _find_undecided(loaded, _find_used_routes(loaded, keys, usage), changed, changes)
        by_path = _find_called_paths(undecided, usage)
        if by_path or not all(_includes(asked, route, rivals) for route, rivals in undecided.items()):
            # Calls that were read with their paths are read with them again.
            until, asked = usage.summed_until, _join(asked, undecided)
            usage = _read_usage_of(keys, asked, by_path)
            if usage.summed_until != until:
                # The log was summed further after the outlines were read.
                continue
        return usage, changes


# Routes by the slug of their API and their text, with the routes that decide about some of their paths instead.
_Undecided = Mapping[tuple[str, str], Collection[Route] | None]


def _join(*several: _Undecided) -> _Undecided:
    """Return the routes of all of them; what is unknown of a route by one is unknown."""
    joined: dict[tuple[str, str], Collection[Route] | None] = {}
    for route in set().union(*several):
        every = [each[route] for each in several if route in each]
        joined[route] = None if None in every else [*chain.from_iterable(filter(None, every))]
    return joined


def _includes(asked: _Undecided, route: tuple[str, str], rivals: Collection[Route] | None) -> bool:
    """Return whether the calls that may match these other routes were asked for with their paths."""
    return rivals is None or set(rivals) <= set(asked.get(route) or ())


def _read_usage_of(keys: Mapping[str, Key], undecided: _Undecided, by_path: Collection[str] = ()) -> KeyUsage:
    if not undecided:
        return read_usage(keys)
    paths = build_path_pattern(chain.from_iterable(rivals or () for rivals in undecided.values()))
    return read_usage(keys, by_path=by_path, recent_by_path={route for _, route in undecided}, paths=paths)


def _find_called_paths(undecided: _Undecided, usage: KeyUsage) -> set[str]:
    """Return the routes of which calls that are summed may have been made on paths with another answer."""
    if not undecided:
        return set()
    slugs, routes = ({each[place] for each in undecided} for place in (0, 1))
    outlines = read_outlines(slugs, routes, usage.since, usage.summed_until)
    return {
        route
        for (slug, route), rivals in undecided.items()
        if rivals is None or (known := outlines.get(slug, route)) is None or may_match(rivals, known)
    }


def _find_used_routes(loaded: LoadedKeys, keys: Mapping[str, Key], usage: KeyUsage) -> dict[int, set[str]]:
    """Return the routes of calls that are known by their route alone, by their API."""
    used: dict[int, set[str]] = {pk: set() for pk in loaded.apis}
    api_of = {key_id: key.api.id for key_id, key in keys.items()}
    for group in usage.groups:
        if not group.method and group.route != WHOAMI:
            # The keys of a group mostly have one API.
            for pk in used if len(used) == 1 else set(map(api_of.__getitem__, group.key_ids)):
                used[pk].add(group.route)
    return used


def _find_undecided(
    loaded: LoadedKeys,
    used: Mapping[int, Collection[str]],
    changed: Mapping[int, LoadedApi],
    changes: Mapping[int, Collection[str]],
) -> _Undecided:
    """Return the routes that do not tell alone what decides about their calls, now or after the change, with what
    find_undecided says of them."""
    undecided: list[_Undecided] = []
    for pk, texts in used.items():
        api = loaded.apis[pk]
        known = () if {"routes", "encoded_slash"}.intersection(changes[pk]) else api.routes
        found = [find_undecided(texts, known, api.routes)]
        if pk in changed:
            slashed = api.slashed ^ changed[pk].slashed
            found.append(find_undecided(texts, known, changed[pk].routes, slashed))
        undecided += ({(api.api.slug, text): rivals for text, rivals in each.items()} for each in found)
    return _join(*undecided)


def _build_calls(
    groups: Iterable[CallGroup], keys: Mapping[str, Key], changes: Mapping[int, set[str]]
) -> Iterator[tuple[Api, UsedCalls]]:
    """Yield the calls with keys of one API."""
    api_of = {key_id: key.api for key_id, key in keys.items()}
    for group in groups:
        every = UsedCalls(
            group.address,
            group.credential,
            group.method,
            group.path if group.method else group.route,
            encode_logged_query(group.query),
            group.route == WHOAMI,
            group.reason,
            group.module,
            group.key_ids,
            group.calls,
            group.last_seen,
        )
        for api, used in every.split(api_of):
            # A call of no route that was allowed although unlisted routes are denied asked about the key itself.
            were_denied = not api.unlisted_allowed and "unlisted_routes" not in changes[api.id]
            needs_path = group.route == UNLISTED and not group.reason and were_denied
            yield api, used._replace(whoami=True) if needs_path else used
