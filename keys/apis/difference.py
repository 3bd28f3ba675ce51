"""Compute what another description of an API would change for the API and its keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import QuerySet

from keys.apis.description import Description
from keys.apis.route_building import format_route
from keys.decision.containment import expand_contained
from keys.models import Api, Key, KeyModule, Module

MAX_NAMES_LISTED = 20


class KeyImpact(NamedTuple):
    """A key whose modules would lose routes or be removed."""

    account_id: int
    account: str
    key: str
    modules: tuple[str, ...]
    left_without_modules: bool

    def __str__(self) -> str:
        rest = "; no modules left" if self.left_without_modules else ""
        return f"{self.account}: {self.key}: {', '.join(self.modules)}{rest}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for the API and its keys.

    `changes` is {field: [old, new]}, as in the audit trail; `removed` and `added` are slugs of modules. `newly_public`
    are routes that would belong to no module, so that every key may call them because the policy allows unlisted
    routes. `impacts` are the keys that lose access, `gaining_count` is the number of keys that may call more.
    `accounts` are the accounts with keys of the API, `keys` is the number of keys.
    """

    changes: Mapping[str, list[Any]]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    newly_public: tuple[str, ...]
    impacts: tuple[KeyImpact, ...]
    gaining_count: int
    accounts: tuple[int, ...]
    keys: int

    def format_lines(self) -> Iterator[str]:
        """Yield the difference as lines of text for whoever confirms it."""
        for name, (old, new) in self.changes.items():
            if name == "routes":
                yield from (f"route removed: {route}" for route in old)
                yield from (f"route added: {route}" for route in new)
            else:
                yield f"{name}: {_format_change(old, new)}"
        yield from (f"module removed: {module}" for module in self.removed)
        yield from (f"module added: {module}" for module in self.added)
        yield from (f"open to every key, because unlisted_routes is allow: {route}" for route in self.newly_public)
        accounts = len(self.accounts)
        yield f"keys of this API: {self.keys}, in {accounts} account{'' if accounts == 1 else 's'}"
        if self.gaining_count:
            yield f"keys that gain access: {self.gaining_count}"
        if self.impacts:
            yield f"keys that lose access: {len(self.impacts)}"
            yield from (f"  {key}" for key in self.impacts[:MAX_NAMES_LISTED])
            if len(self.impacts) > MAX_NAMES_LISTED:
                yield f"  and {len(self.impacts) - MAX_NAMES_LISTED} more"


def get_difference(api: Api, description: Description) -> Difference:
    """Return the difference between the stored API and the description."""
    rules = description.policy
    modules = Module.objects.filter(api=api).prefetch_related("routes").order_by("position", "pk")
    old = {module.slug: (module.name, module.number) for module in modules}
    new = {module.slug: (module.name, module.number) for module in description.modules}
    old_routes = {format_route(route): module.slug for module in modules for route in module.routes.all()}
    new_routes = {format_route(route): module.slug for module in description.modules for route in module.routes}
    removed = [f"{route} of {module}" for route, module in old_routes.items() if new_routes.get(route) != module]
    added = [f"{route} of {module}" for route, module in new_routes.items() if old_routes.get(route) != module]
    changes = {
        word: [api.policy.get(word), description.rules.get(word)]
        for word in (*api.policy, *(word for word in description.rules if word not in api.policy))
        if api.policy.get(word) != description.rules.get(word)
    }
    if api.name != description.name:
        changes["name"] = [api.name, description.name]
    if api.document != description.document:
        changes["document"] = [_get_fingerprint(api.document), _get_fingerprint(description.document)]
    if list(old.items()) != list(new.items()):
        changes["modules"] = [_format_modules(old), _format_modules(new)]
    if removed or added:
        changes["routes"] = [removed, added]
    containing = {module.slug: tuple(module.contained) for module in modules}
    will_contain = {module.slug: module.contained for module in description.modules}
    if _format_contained(containing) != _format_contained(will_contain):
        changes["contains"] = [_format_contained(containing), _format_contained(will_contain)]
    before, after = _list_reachable_routes(old_routes, containing), _list_reachable_routes(new_routes, will_contain)
    shrinking = {slug for slug, routes in before.items() if routes - after.get(slug, frozenset())}
    growing = {slug for slug, routes in before.items() if after.get(slug, frozenset()) - routes}
    keys = Key.objects.filter(api=api, deleted_at=None)
    return Difference(
        changes=changes,
        removed=tuple(slug for slug in old if slug not in new),
        added=tuple(slug for slug in new if slug not in old),
        newly_public=tuple(route for route in old_routes if route not in new_routes)
        if rules.unlisted_routes == "allow"
        else (),
        impacts=tuple(_list_key_impacts(api, shrinking, set(new))),
        gaining_count=_filter_granted(api, growing).count(),
        accounts=tuple(keys.order_by("account").values_list("account", flat=True).distinct()),
        keys=keys.count(),
    )


def _list_reachable_routes(
    routes: Mapping[str, str], contained: Mapping[str, Collection[str]]
) -> dict[str, frozenset[str]]:
    """Return the routes that each module grants, those of contained modules included. `routes` maps routes to
    modules."""
    own: dict[str, set[str]] = {slug: set() for slug in contained}
    for route, module in routes.items():
        own[module].add(route)
    return {
        slug: frozenset(route for each in expand_contained([slug], contained) for route in own.get(each, ()))
        for slug in contained
    }


def _format_contained(contained: Mapping[str, Collection[str]]) -> list[str]:
    return [f"{slug}: {', '.join(slugs)}" for slug, slugs in contained.items() if slugs]


def _filter_granted(api: Api, slugs: set[str]) -> QuerySet[Key]:
    """Return the API's keys that were granted one of these modules, not all modules."""
    granted = KeyModule.objects.filter(module__api=api, module__slug__in=slugs).values("key")
    return Key.objects.filter(pk__in=granted, api=api, deleted_at=None, all_modules=False)


def _list_key_impacts(api: Api, shrinking: set[str], staying: set[str]) -> Iterator[KeyImpact]:
    """Yield the keys that have one of the `shrinking` modules. Their rows are read as tuples, because they may be all
    keys of an API."""
    keys = _filter_granted(api, shrinking).annotate(granted=ArrayAgg("modules__slug"))
    rows = keys.order_by("account__slug", "name", "pk")
    for account_id, account, name, public_id, granted in rows.values_list(
        "account_id", "account__slug", "name", "public_id", "granted"
    ):
        lost = tuple(sorted(shrinking.intersection(granted)))
        # As str(key).
        yield KeyImpact(account_id, account, f"{name} ({public_id})", lost, staying.isdisjoint(granted))


def _format_modules(modules: Mapping[str, tuple[str, int | None]]) -> list[str]:
    return [f"{slug} ({name}{'' if number is None else f', {number}'})" for slug, (name, number) in modules.items()]


def _get_fingerprint(document: Mapping[str, Any]) -> str:
    """Return the document's version with a digest, for changes that keep the version."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return f"{document.get('info', {}).get('version', '')} ({hashlib.sha256(canonical).hexdigest()[:12]})"


def _format_change(old: Any, new: Any) -> str:
    """Return the change of a setting; for a list of mappings, which of them were changed."""
    before, after = _get_items(old), _get_items(new)
    if before is None or after is None or not (before or after):
        return f"{_format_value(old)} -> {_format_value(new)}"
    changes = {
        "removed": [name for name in before if name not in after],
        "added": [name for name in after if name not in before],
        "changed": [name for name in before if name in after and before[name] != after[name]],
    }
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in changes.items() if names) or "order changed"


def _get_items(value: Any) -> dict[Any, Any] | None:
    """Return the mappings of a list by slug or tag, whichever they have; None for other values."""
    if not isinstance(value or [], list):
        return None
    items = {item.get("slug") or item.get("tag"): item for item in value or () if isinstance(item, dict)}
    return items if len(items) == len(value or ()) and None not in items else None


def _format_value(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
