"""What documentation says of an API and of what one key may do with it, from the API's document and policy. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from keys.apis.document import get_base_path, get_server_url
from keys.apis.modules import ModuleSpec, RouteSpec
from keys.apis.parameters import Parameter, ResponseSpec
from keys.apis.policy import HEADERS, Policy
from keys.docs.documentation import Documentation

# Of an API with more routes a page shows one module at a time, so many routes of it.
MAX_WHOLE_ROUTES = 100
ROUTES_PER_PAGE = 20
# Stands where neither the policy nor the document says where the API is reached.
NO_HOST = "https://api.example.com"


class RequestLink(NamedTuple):
    """Where an API is reached: scheme and host, then the path before every other. `known`: whether anyone said so."""

    host: str
    base: str
    known: bool

    @property
    def text(self) -> str:
        return self.host + self.base


class FirstCall(NamedTuple):
    """A call to begin with: its whole address, percent-encoded, and a JSON body, empty if it has none."""

    method: str
    url: str
    body: str


class RouteDoc(NamedTuple):
    """One route with what the document says of its operation; `anchor` is its place on the page."""

    anchor: str
    route: RouteSpec
    summary: str
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    responses: tuple[ResponseSpec, ...]


class ModuleDoc(NamedTuple):
    """One module. `total` is how many routes it has, `routes` are those on this page; `link` leads to them."""

    anchor: str
    link: str
    name: str
    slug: str
    number: int | None
    description: str
    total: int
    routes: tuple[RouteDoc, ...]
    # Those of the modules described that it contains.
    contained: tuple[ModuleDoc, ...] = ()


class Part(NamedTuple):
    """Which routes a page shows: of the module `slug` those of page `number`, from 1 to `pages`."""

    slug: str
    number: int
    pages: int

    @property
    def previous(self) -> int:
        """Return the page before, 0 if there is none."""
        return self.number - 1

    @property
    def next(self) -> int:
        """Return the page after, 0 if there is none."""
        return self.number + 1 if self.number < self.pages else 0


def select_part(modules: Sequence[ModuleSpec], query: Mapping[str, str]) -> Part | None:
    """Return which routes a page shows that was asked for by ?module=slug&page=2; None if it shows them all, because
    they are few. What is not there is the first module, or the nearest page."""
    if sum(len(module.routes) for module in modules) <= MAX_WHOLE_ROUTES:
        return None
    module = next((each for each in modules if each.slug == query.get("module")), modules[0])
    pages = max(math.ceil(len(module.routes) / ROUTES_PER_PAGE), 1)
    asked = query.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
    return Part(module.slug, min(max(number, 1), pages), pages)


def get_request_link(server: Any, rules: Policy, setting: str) -> RequestLink:
    """Return where the API is reached: as its setting says, else its policy, else its document's first server."""
    parts = urlsplit(get_server_url(server))
    named = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
    said = setting or rules.request_link or named
    return RequestLink(said or NO_HOST, get_base_path(server), bool(said))


def describe_modules(
    documentation: Documentation, modules: Iterable[ModuleSpec], *, recordings: bool, part: Part | None = None
) -> tuple[ModuleDoc, ...]:
    """Return the modules with their routes in the order of the document, or with those of `part` alone; with
    `recordings`, also those that a link opens."""
    modules = list(modules)
    described = {module.slug: _describe_module(documentation, module, recordings, part) for module in modules}
    return tuple(
        described[module.slug]._replace(
            contained=tuple(described[slug] for slug in module.contained if slug in described)
        )
        for module in modules
    )


def _describe_module(
    documentation: Documentation, module: ModuleSpec, recordings: bool, part: Part | None
) -> ModuleDoc:
    routes = [route for route in module.routes if recordings or not route.recording]
    shown: list[tuple[int, RouteSpec]] = []
    if part is None or part.slug == module.slug:
        shown = list(enumerate(sorted(routes, key=lambda route: _get_sort_key(documentation, route)), start=1))
    if part is not None:
        shown = shown[(part.number - 1) * ROUTES_PER_PAGE : part.number * ROUTES_PER_PAGE]
    anchor = f"module-{module.slug}"
    return ModuleDoc(
        anchor=anchor,
        link=f"?module={module.slug}#{anchor}" if part else f"#{anchor}",
        name=module.name,
        slug=module.slug,
        number=module.number,
        description=documentation.tags.get(module.name, ""),
        total=len(routes),
        routes=tuple(_describe_route(documentation, route, f"{module.slug}-{number}") for number, route in shown),
    )


def _get_sort_key(documentation: Documentation, route: RouteSpec) -> tuple[int, str]:
    """Where a route comes: in the order of the document, then by its text."""
    operation = documentation.get(route)
    return (operation.place if operation else len(documentation.operations)), route.text


def get_recordings_link(modules: Iterable[ModuleSpec], link: RequestLink) -> str:
    """What stands before the lead ID in a recording's link; empty if the API has no recordings."""
    routes = (route for module in modules for route in module.routes if route.recording)
    template = next((route.template for route in routes), "")
    return link.host + quote(template.rpartition("/")[0], safe="/") if template else ""


def build_first_call(documentation: Documentation, modules: Iterable[ModuleSpec], link: RequestLink) -> FirstCall:
    """A call that these modules allow: one that reads, or else one that adds, best one without variables."""
    routes = [
        (_get_method_rank(route.method), route.template.count("{"), number, route)
        for number, module in enumerate(modules)
        for route in module.routes
        if not route.recording
    ]
    if not routes:
        return FirstCall("GET", link.text, "")
    best = min(each[:3] for each in routes)
    alike = [each[3] for each in routes if each[:3] == best]
    first = _describe_route(documentation, min(alike, key=lambda route: _get_sort_key(documentation, route)), "")
    path, query, body = first.route.template, [], {}
    for parameter in first.parameters:
        value = parameter.default or next(iter(parameter.values), "1")
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", value)
        elif parameter.where == "query" and parameter.required:
            query.append(f"{quote(parameter.name, safe='')}={quote(value, safe='')}")
        elif parameter.where == "body" and parameter.required:
            body[parameter.name] = [value] if parameter.multiple else value
    url = link.host + quote(path, safe="/~") + ("?" + "&".join(query) if query else "")
    return FirstCall(first.route.method, url, json.dumps(body, ensure_ascii=False) if body else "")


def list_headers(rules: Policy) -> tuple[tuple[str, str], ...]:
    """The headers that a token is sent in, any one of them: what stands before it, and the kind."""
    return tuple((HEADERS[kind], kind) for kind in rules.credentials if kind in HEADERS)


def _get_method_rank(method: str) -> int:
    """How soon a method is shown: one that takes away, last."""
    order = ("GET", "POST", "PUT", "PATCH")
    return order.index(method) if method in order else len(order)


def _describe_route(documentation: Documentation, route: RouteSpec, anchor: str) -> RouteDoc:
    operation = documentation.get(route)
    if operation is None:
        return RouteDoc(anchor, route, "", "", False, (), ())
    parameters = tuple(_narrow(each, route) for each in operation.parameters)
    said = operation.summary, operation.description, operation.deprecated
    return RouteDoc(anchor, route, *said, parameters, operation.responses)


def _narrow(parameter: Parameter, route: RouteSpec) -> Parameter:
    """A parameter that the route has a condition on takes that value alone."""
    if parameter.where != "query" or parameter.name not in route.conditions:
        return parameter
    return parameter._replace(required=True, multiple=False, default="", values=(route.conditions[parameter.name],))
