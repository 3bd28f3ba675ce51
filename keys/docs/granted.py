"""Load the modules and routes of a key, or all of its API."""

from __future__ import annotations

from functools import lru_cache

from keys.apis.modules import ModuleSpec
from keys.apis.route_building import RouteSpec
from keys.docs.documentation import MAX_CACHED_APIS, get_row_version
from keys.models import Api, Key, Module, Route
from keys.selectors.detail import list_granted_modules


def get_key_modules(key: Key) -> tuple[ModuleSpec, ...]:
    """Return the modules that the key was granted and all that they contain."""
    granted = {module.slug for module, _ in list_granted_modules(key)}
    return tuple(module for module in get_api_modules(key.api) if module.slug in granted)


def get_api_modules(api: Api) -> tuple[ModuleSpec, ...]:
    """Return all modules of the API. There may be thousands of routes, so they are cached for each version of the API,
    which every change of its modules saves anew."""
    return load_api_modules(api.pk, get_row_version(api))


@lru_cache(maxsize=MAX_CACHED_APIS)
def load_api_modules(api_id: int, version: str) -> tuple[ModuleSpec, ...]:
    """Return the modules as get_api_modules does; `version` is what get_row_version says of the API."""
    routes: dict[int, list[RouteSpec]] = {}
    columns = ("module_id", "method", "template", "conditions", "adds_leads", "recording")
    for module, *route in Route.objects.filter(module__api=api_id).order_by("pk").values_list(*columns):
        routes.setdefault(module, []).append(RouteSpec(*route))
    return tuple(
        ModuleSpec(module.slug, module.name, module.number, tuple(routes.get(module.pk, ())), tuple(module.contained))
        for module in Module.objects.filter(api=api_id).order_by("position", "pk")
    )
