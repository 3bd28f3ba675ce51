"""Reading what a key may call, and all that its API has."""

from __future__ import annotations

from keys.apis.modules import ModuleOf, RouteOf
from keys.models import Api, Key, Module
from keys.selectors.detail import modules_of


def of_key(key: Key) -> tuple[ModuleOf, ...]:
    """Return the modules that the key was granted and all that they contain."""
    granted = {module.slug for module, _ in modules_of(key)}
    return tuple(module for module in of_api(key.api) if module.slug in granted)


def of_api(api: Api) -> tuple[ModuleOf, ...]:
    found = Module.objects.filter(api=api).order_by("position", "pk").prefetch_related("routes")
    return tuple(
        ModuleOf(
            module.slug,
            module.name,
            module.number,
            tuple(
                RouteOf(route.method, route.template, route.conditions, route.adds_leads, route.recording)
                for route in module.routes.all()
            ),
            tuple(module.contained),
        )
        for module in found
    )
