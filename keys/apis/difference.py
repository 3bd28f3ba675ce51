"""What another description of an API would change: for the API, and for the keys that there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keys.apis.description import Description
from keys.apis.modules import text_of
from keys.decision.containment import with_contained
from keys.models import Api, Key, Module

MAX_NAMES_LISTED = 20


@dataclass(frozen=True, slots=True)
class Losing:
    """A key that was granted modules which would lose routes or go."""

    account_id: int
    account: str
    key: str
    modules: tuple[str, ...]
    bare: bool

    def __str__(self) -> str:
        return f"{self.account}: {self.key}: {', '.join(self.modules)}{'; no module is left' if self.bare else ''}"


@dataclass(frozen=True, slots=True)
class Difference:
    """`changes` is {field: [old, new]}, as the trail keeps it; `gone` and `new` are slugs of modules. `open` are routes
    that no module has any more, and that every key may then take because the policy allows unlisted ones. `gaining` is
    how many keys were granted modules that come to have or contain more. `accounts` are those that have keys of the
    API, `keys` how many there are in all."""

    changes: Mapping[str, list[Any]]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    open: tuple[str, ...]
    losing: tuple[Losing, ...]
    gaining: int
    accounts: tuple[int, ...]
    keys: int

    def lines(self) -> Iterator[str]:
        """In words, for whoever decides."""
        for name, (old, new) in self.changes.items():
            if name == "routes":
                yield from (f"route gone: {route}" for route in old)
                yield from (f"route new: {route}" for route in new)
            else:
                yield f"{name}: {_shown(old)} -> {_shown(new)}"
        yield from (f"module gone: {module}" for module in self.gone)
        yield from (f"module new: {module}" for module in self.new)
        yield from (f"open to every key, because unlisted_routes is allow: {route}" for route in self.open)
        accounts = len(self.accounts)
        yield f"keys of this API: {self.keys}, in {accounts} account{'' if accounts == 1 else 's'}"
        if self.gaining:
            yield f"keys that may call more: {self.gaining}"
        if self.losing:
            yield f"keys that lose access: {len(self.losing)}"
            yield from (f"  {key}" for key in self.losing[:MAX_NAMES_LISTED])
            if len(self.losing) > MAX_NAMES_LISTED:
                yield f"  and {len(self.losing) - MAX_NAMES_LISTED} more"


def difference(api: Api, description: Description) -> Difference:
    """Between the API as it is stored and the description."""
    rules = description.policy
    modules = Module.objects.filter(api=api).prefetch_related("routes").order_by("position", "pk")
    old = {module.slug: (module.name, module.number) for module in modules}
    new = {module.slug: (module.name, module.number) for module in description.modules}
    had = {text_of(route): module.slug for module in modules for route in module.routes.all()}
    has = {text_of(route): module.slug for module in description.modules for route in module.routes}
    gone = [f"{route} of {module}" for route, module in had.items() if has.get(route) != module]
    come = [f"{route} of {module}" for route, module in has.items() if had.get(route) != module]
    changes = {
        word: [api.policy.get(word), description.rules.get(word)]
        for word in (*api.policy, *(word for word in description.rules if word not in api.policy))
        if api.policy.get(word) != description.rules.get(word)
    }
    if api.name != description.name:
        changes["name"] = [api.name, description.name]
    if api.document != description.document:
        changes["document"] = [_fingerprint(api.document), _fingerprint(description.document)]
    if list(old.items()) != list(new.items()):
        changes["modules"] = [_named(old), _named(new)]
    if gone or come:
        changes["routes"] = [gone, come]
    containing = {module.slug: tuple(module.contained) for module in modules}
    will_contain = {module.slug: module.contained for module in description.modules}
    if _said(containing) != _said(will_contain):
        changes["contains"] = [_said(containing), _said(will_contain)]
    before, after = _reach(had, containing), _reach(has, will_contain)
    shrinking = {slug for slug, routes in before.items() if routes - after.get(slug, frozenset())}
    growing = {slug for slug, routes in before.items() if after.get(slug, frozenset()) - routes}
    keys = Key.objects.filter(api=api, deleted_at=None)
    return Difference(
        changes=changes,
        gone=tuple(slug for slug in old if slug not in new),
        new=tuple(slug for slug in new if slug not in old),
        open=tuple(route for route in had if route not in has) if rules.unlisted_routes == "allow" else (),
        losing=tuple(_losing(api, shrinking, set(new))),
        gaining=keys.filter(all_modules=False, modules__slug__in=growing).distinct().count(),
        accounts=tuple(keys.order_by("account").values_list("account", flat=True).distinct()),
        keys=keys.count(),
    )


def _reach(routes: Mapping[str, str], contained: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """What each module lets a key call, contained modules' routes too. `routes` is {route: its module}."""
    own: dict[str, set[str]] = {slug: set() for slug in contained}
    for route, module in routes.items():
        own[module].add(route)
    return {
        slug: frozenset(route for each in with_contained([slug], contained) for route in own.get(each, ()))
        for slug in contained
    }


def _said(contained: Mapping[str, Collection[str]]) -> list[str]:
    return [f"{slug}: {', '.join(others)}" for slug, others in contained.items() if others]


def _losing(api: Api, shrinking: set[str], staying: set[str]) -> Iterator[Losing]:
    keys = Key.objects.filter(api=api, deleted_at=None, all_modules=False, modules__slug__in=shrinking).distinct()
    for key in keys.select_related("account").prefetch_related("modules").order_by("account__slug", "name", "pk"):
        granted = {module.slug for module in key.modules.all()}
        lost = tuple(sorted(granted & shrinking))
        yield Losing(key.account_id, key.account.slug, str(key), lost, not granted & staying)


def _named(modules: Mapping[str, tuple[str, int | None]]) -> list[str]:
    return [f"{slug} ({name}{'' if number is None else f', {number}'})" for slug, (name, number) in modules.items()]


def _fingerprint(document: Mapping[str, Any]) -> str:
    """The document's version, and a fingerprint for when that stayed."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return f"{document.get('info', {}).get('version', '')} ({hashlib.sha256(canonical).hexdigest()[:12]})"


def _shown(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
