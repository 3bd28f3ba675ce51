"""Reading what a key may call, and all that its API has."""

from __future__ import annotations

from keys.apis.modules import ModuleOf, RouteOf
from keys.models import Api, Key, Module, Route
from keys.selectors.detail import modules_of


def of_key(key: Key) -> tuple[ModuleOf, ...]:
    """Return the modules that the key was granted and all that they contain."""
    granted = {module.slug for module, _ in modules_of(key)}
    return tuple(module for module in of_api(key.api) if module.slug in granted)


def of_api(api: Api) -> tuple[ModuleOf, ...]:
    """Return all modules of the API. Rows are taken as they are: an API may have thousands of routes."""
    routes: dict[int, list[RouteOf]] = {}
    columns = ("module_id", "method", "template", "conditions", "adds_leads", "recording")
    for module, *route in Route.objects.filter(module__api=api).order_by("pk").values_list(*columns):
        routes.setdefault(module, []).append(RouteOf(*route))
    return tuple(
        ModuleOf(module.slug, module.name, module.number, tuple(routes.get(module.pk, ())), tuple(module.contained))
        for module in Module.objects.filter(api=api).order_by("position", "pk")
    )
