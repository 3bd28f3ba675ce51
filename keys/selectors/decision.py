"""Load APIs and keys as the decision takes them, for everything in the portal that asks what the gateway would decide.

A test compares them with what the gateway itself loads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import Account
from audit.usage.roll_up import WHOAMI, WHOAMI_PATHS, MatchRoute
from keys import models
from keys.apis.modules import RouteSpec
from keys.decision.addresses import Network, Rule, build_rules
from keys.decision.containment import expand_contained
from keys.decision.routes import Route, RouteTable
from keys.decision.types import Api, Key
from keys.docs.documentation import MAX_CACHED_APIS, get_row_version


class LoadedApi(NamedTuple):
    """An API with the list of its routes, and the variables that may contain an encoded slash."""

    api: Api
    routes: tuple[Route, ...]
    slashed: frozenset[str]


def load_api(pk: int) -> LoadedApi:
    """Return the API with its modules and routes, cached for each version of it."""
    return _load_version(pk, get_row_version(models.Api(pk=pk)))


@lru_cache(maxsize=MAX_CACHED_APIS)
def _load_version(pk: int, version: str) -> LoadedApi:
    api = models.Api.objects.defer("document").get(pk=pk)
    modules = models.Module.objects.filter(api=pk).order_by("position", "pk").prefetch_related("routes")
    return build_api(
        pk,
        api.slug,
        api.policy,
        {module.pk: module.slug for module in modules},
        {module.slug: module.contained for module in modules},
        (build_route(module.pk, module.slug, route) for module in modules for route in module.routes.all()),
    )


def build_api(
    pk: int,
    slug: str,
    policy: Mapping[str, Any],
    modules: Mapping[int, str],
    contained: Mapping[str, Collection[str]],
    routes: Iterable[Route],
) -> LoadedApi:
    """Return the API as the gateway builds it. `modules` maps primary keys to slugs, in order; `contained` maps slugs
    to those of contained modules."""
    numbers = {module: number for number, module in modules.items()}
    slashed = policy.get("encoded_slash", ())
    names, routes = [slashed] if isinstance(slashed, str) else slashed, tuple(routes)
    api = Api(
        id=pk,
        slug=slug,
        credentials=frozenset(policy["credentials"]),
        unlisted_allowed=policy.get("unlisted_routes") == "allow",
        modules=tuple(modules.items()),
        routes=RouteTable(routes, names),
        contained={
            numbers[module]: frozenset(numbers[other] for other in others if other in numbers)
            for module, others in contained.items()
            if others
        },
        preflight=policy.get("preflight") == "allow",
    )
    return LoadedApi(api, routes, frozenset(names))


def build_route(module_id: int, module: str, route: models.Route | RouteSpec) -> Route:
    """Return the route, stored or described, as the gateway builds it."""
    conditions = tuple(sorted(route.conditions.items()))
    return Route(module_id, module, route.method, route.template, route.adds_leads, route.recording, conditions)


class _Row(NamedTuple):
    """A key as it is read, without a model's instance for each."""

    pk: int
    public_id: str
    name: str
    account_id: int
    account: str
    account_status: str
    account_mask: bool
    owner_id: int
    owner: str
    owner_active: bool
    api_id: int
    enabled: bool
    expires_at: datetime | None
    all_modules: bool
    username: str
    mask: bool
    hlr: bool
    recordings: bool
    api_enabled: bool
    granted: list[int]
    lists: list[int]
    own: list[Network]


_COLUMNS = (
    *("pk", "public_id", "name", "account_id", "account__slug", "account__status", "account__mask_phone"),
    *("owner_id", "owner__nickname", "owner__is_active", "api_id", "enabled", "expires_at", "all_modules"),
    *("username", "mask_phone", "hlr_lookup", "recordings", "api_enabled", "granted", "lists", "own"),
)


class LoadedKeys(NamedTuple):
    """Keys by API ID, their APIs by primary key, and the rules of their IP lists by the list's primary key. `own_rules`
    are the rules of each key's own entries, `granted` the modules that it was granted itself. `left_out` is how many
    more keys there are."""

    keys: dict[str, Key]
    apis: dict[int, LoadedApi]
    list_rules: dict[int, tuple[Rule, ...]]
    own_rules: dict[str, tuple[Rule, ...]]
    granted: dict[str, list[int]]
    left_out: int = 0


def load_keys(rows: QuerySet[models.Key], limit: int | None = None) -> LoadedKeys:
    """Return the live ones of these keys as the gateway knows them, but without their secrets; with a limit, the last
    used ones."""
    enabled = models.Enablement.objects.filter(account=OuterRef("account"), api=OuterRef("api"))
    annotated = rows.filter(deleted_at=None).annotate(
        api_enabled=Exists(enabled),
        granted=ArraySubquery(models.KeyModule.objects.filter(key=OuterRef("pk")).values("module")),
        lists=ArraySubquery(models.KeyIpList.objects.filter(key=OuterRef("pk")).values("ip_list")),
        own=ArraySubquery(models.Address.objects.filter(key=OuterRef("pk")).values("network")),
    )
    left_out = 0
    if limit is not None:
        annotated = annotated.order_by(F("listing__used_at").desc(nulls_last=True), "pk")[: limit + 1]
    found = [_Row(*row) for row in annotated.values_list(*_COLUMNS)]
    if limit is not None and len(found) > limit:
        found, left_out = found[:limit], rows.filter(deleted_at=None).count() - limit
    apis = {pk: load_api(pk) for pk in {row.api_id for row in found}}
    list_rules = load_list_rules({pk for row in found for pk in row.lists})
    # Keys with the same entries share their rules.
    build_own, join = cache(build_rules), build_rules_joiner(list_rules)
    own_rules = {row.public_id: build_own(tuple(row.own)) for row in found}
    keys = {
        row.public_id: _build_key(row, apis[row.api_id].api, join(own_rules[row.public_id], frozenset(row.lists)))
        for row in found
    }
    return LoadedKeys(keys, apis, list_rules, own_rules, {row.public_id: row.granted for row in found}, left_out)


def _build_key(row: _Row, api: Api, rules: tuple[Rule, ...]) -> Key:
    return Key(
        id=row.pk,
        public_id=row.public_id,
        name=row.name,
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
        username=row.username,
        mask=row.mask and row.account_mask,
        hlr=row.hlr,
        recordings=row.recordings,
    )


def build_rules_joiner(
    list_rules: Mapping[int, tuple[Rule, ...]],
) -> Callable[[tuple[Rule, ...], frozenset[int]], tuple[Rule, ...]]:
    """Return a function from a key's own rules and its lists to all its rules; keys with the same share one result."""

    @cache
    def join(own: tuple[Rule, ...], lists: frozenset[int]) -> tuple[Rule, ...]:
        return (*own, *chain.from_iterable(list_rules.get(pk, ()) for pk in sorted(lists)))

    return join


def load_list_rules(lists: Collection[int]) -> dict[int, tuple[Rule, ...]]:
    """Return the rules of each list's enabled entries by the list's primary key."""
    networks: dict[int, list[Network]] = {pk: [] for pk in lists}
    entries = models.IpListEntry.objects.filter(ip_list__in=lists, enabled=True).values_list("ip_list", "network")
    for pk, network in entries if lists else ():
        networks[pk].append(network)
    return {pk: build_rules(those) for pk, those in networks.items()}


def build_route_matcher() -> MatchRoute:
    """Return a function that finds the route and module of a logged call, by the present routes of its API."""

    @cache
    def get_routes(slug: str) -> RouteTable | None:
        pk = models.Api.objects.filter(slug=slug).values_list("pk", flat=True).first()
        return load_api(pk).api.routes if pk else None

    def match_route(slug: str, method: str, path: str, query: str) -> tuple[str, str]:
        routes = get_routes(slug)
        route = routes.match(method, path, encode_logged_query(query)) if routes else None
        if route is not None:
            return route.text, route.module
        return (WHOAMI if path in (WHOAMI_PATHS[0], WHOAMI_PATHS[1] + slug) else ""), ""

    return match_route


def encode_logged_query(query: str) -> str:
    """Return a logged query as latin-1 text of the bytes sent, as routes match it."""
    return query if query.isascii() else query.encode("utf-8", "surrogatepass").decode("latin-1")
