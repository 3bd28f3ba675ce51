"""Load APIs as the decision takes them, for everything in the portal that asks what the gateway would decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from audit.usage.roll_up import WHOAMI, WHOAMI_PATHS, MatchRoute
from keys import models
from keys.apis.modules import RouteSpec
from keys.decision.routes import Route, RouteTable
from keys.decision.types import Api
from keys.decision.used_calls import build_replay_api
from keys.docs.documentation import MAX_CACHED_APIS, get_row_version


class LoadedApi(NamedTuple):
    """An API with the list of its routes, and the variables that may contain an encoded slash. `for_replay` also
    matches calls that are known by the text of their route."""

    api: Api
    routes: tuple[Route, ...]
    slashed: frozenset[str]
    for_replay: Api


def load_api(pk: int) -> LoadedApi:
    """Return the API with its modules and routes, cached for each version of it."""
    return load_api_version(pk, get_row_version(models.Api(pk=pk)))


@lru_cache(maxsize=MAX_CACHED_APIS)
def load_api_version(pk: int, version: str) -> LoadedApi:
    """Return the API as load_api does; `version` is what get_row_version says of it."""
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
            numbers[module]: frozenset(numbers[other] for other in contained_slugs if other in numbers)
            for module, contained_slugs in contained.items()
            if contained_slugs
        },
        preflight=policy.get("preflight") == "allow",
    )
    return LoadedApi(api, routes, frozenset(names), build_replay_api(api, routes))


def build_route(module_id: int, module: str, route: models.Route | RouteSpec) -> Route:
    """Return the route, stored or described, as the gateway builds it."""
    conditions = tuple(sorted(route.conditions.items()))
    return Route(module_id, module, route.method, route.template, route.adds_leads, route.recording, conditions)


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
