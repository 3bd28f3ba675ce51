"""Reading what a key may call, and all that its API has."""

from __future__ import annotations

from django.db.models import QuerySet

from keys.apis.modules import ModuleOf, RouteOf
from keys.models import Api, Key, Module


def of_key(key: Key) -> tuple[ModuleOf, ...]:
    return _read(key.api.modules.all() if key.all_modules else key.modules.all())


def of_api(api: Api) -> tuple[ModuleOf, ...]:
    return _read(api.modules.all())


def _read(modules: QuerySet[Module]) -> tuple[ModuleOf, ...]:
    found = Module.objects.filter(pk__in=modules.values("pk")).order_by("position", "pk").prefetch_related("routes")
    return tuple(
        ModuleOf(
            module.slug,
            module.name,
            module.number,
            tuple(
                RouteOf(route.method, route.template, route.conditions, route.adds_leads, route.recording)
                for route in module.routes.all()
            ),
        )
        for module in found
    )
