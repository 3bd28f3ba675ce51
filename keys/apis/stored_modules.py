"""Store modules and routes. Unchanged rows are not written, so that gateways need not reload them."""

from __future__ import annotations

from collections.abc import Iterable

from keys.apis.description import Description
from keys.apis.route_building import RouteSpec, format_route
from keys.models import Api, Module, Route


def store_modules(api: Api, description: Description) -> None:
    """Insert, update and delete the API's modules and routes to match the description.

    Deleting a module deletes its grants.
    """
    Module.objects.filter(api=api).exclude(slug__in=[module.slug for module in description.modules]).delete()
    existing = {module.slug: module for module in Module.objects.filter(api=api)}
    for position, found in enumerate(description.modules):
        described = {
            "name": found.name,
            "number": found.number,
            "position": position,
            "contained": list(found.contained),
        }
        module = existing.get(found.slug)
        if module is None:
            module = Module.objects.create(api=api, slug=found.slug, **described)
        elif any(getattr(module, name) != value for name, value in described.items()):
            Module.objects.filter(pk=module.pk).update(**described)
        _store_routes(module, found.routes)


def _store_routes(module: Module, described: Iterable[RouteSpec]) -> None:
    target = {(route.text, route.adds_leads, route.recording): route for route in described}
    stored = {(format_route(route), route.adds_leads, route.recording): route for route in module.routes.all()}
    module.routes.filter(pk__in=[route.pk for key, route in stored.items() if key not in target]).delete()
    Route.objects.bulk_create(
        Route(module=module, **route._asdict()) for key, route in target.items() if key not in stored
    )
