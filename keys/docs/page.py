"""Assemble the documentation of an API, or of one key, from the API's document and policy. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from keys.apis.document import get_base_path, get_server_url
from keys.apis.modules import ModuleSpec
from keys.apis.parameters import Parameter, ResponseSpec
from keys.apis.policy import HEADERS, Policy
from keys.apis.route_building import RouteSpec
from keys.docs.documentation import Documentation

# With more routes than MAX_WHOLE_ROUTES, a page shows ROUTES_PER_PAGE routes of one module.
MAX_WHOLE_ROUTES = 100
ROUTES_PER_PAGE = 20
# Placeholder if neither setting, policy nor document has a base URL.
NO_HOST = "https://api.example.com"


class RequestLink(NamedTuple):
    """The base URL of an API: scheme and host, and the path before every other; a placeholder unless
    `is_configured`."""

    host: str
    base: str
    is_configured: bool

    @property
    def text(self) -> str:
        return self.host + self.base


class FirstCall(NamedTuple):
    """An example call: its complete URL, percent-encoded, and a JSON body or an empty text."""

    method: str
    url: str
    body: str


class RouteDoc(NamedTuple):
    """A route with the documentation of its operation; `anchor` is its ID on the page."""

    anchor: str
    route: RouteSpec
    summary: str
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    responses: tuple[ResponseSpec, ...]


class ModuleDoc(NamedTuple):
    """A module. `total` is the number of its routes, `routes` are those on this page; `link` leads to them."""

    anchor: str
    link: str
    name: str
    slug: str
    number: int | None
    description: str
    total: int
    routes: tuple[RouteDoc, ...]
    # The modules on the page that it contains.
    contained: tuple[ModuleDoc, ...] = ()


class Part(NamedTuple):
    """The routes that a page shows: page `number` of `pages` (from 1) of the module `slug`."""

    slug: str
    number: int
    pages: int

    @property
    def previous(self) -> int:
        """The previous page; 0 if there is none."""
        return self.number - 1

    @property
    def next(self) -> int:
        """The next page; 0 if there is none."""
        return self.number + 1 if self.number < self.pages else 0


def select_part(modules: Sequence[ModuleSpec], query: Mapping[str, str]) -> Part | None:
    """Return the part selected by `?module=slug&page=2`; None if the API is small enough to show all routes.

    Raise LookupError for an unknown module or page.
    """
    slug, page = query.get("module", ""), query.get("page", "1")
    module = next((each for each in modules if slug in ("", each.slug)), None)
    if module is None and slug:
        raise LookupError(f"Module {slug} not found.")
    if module is None or sum(len(each.routes) for each in modules) <= MAX_WHOLE_ROUTES:
        if page != "1":
            raise LookupError(f"Page {page} not found.")
        return None
    pages = max(math.ceil(len(module.routes) / ROUTES_PER_PAGE), 1)
    if page not in map(str, range(1, pages + 1)):
        raise LookupError(f"Page {page} of {slug} not found.")
    return Part(module.slug, int(page), pages)


def get_request_link(server: Any, rules: Policy, setting: str) -> RequestLink:
    """Return the base URL of the API: by its setting, else its policy, else its document's first server."""
    parts = urlsplit(get_server_url(server))
    named = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
    configured = setting or rules.request_link or named
    return RequestLink(configured or NO_HOST, get_base_path(server), bool(configured))


def describe_modules(
    documentation: Documentation, modules: Iterable[ModuleSpec], *, recordings: bool, part: Part | None = None
) -> tuple[ModuleDoc, ...]:
    """Return the modules with their routes in the order of the document, or only with those of `part`.

    With `recordings`, routes that only recording links reach are included.
    """
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
    numbered: list[tuple[int, RouteSpec]] = []
    if part is None or part.slug == module.slug:
        numbered = list(enumerate(sorted(routes, key=lambda route: _get_sort_key(documentation, route)), start=1))
    if part is not None:
        numbered = numbered[(part.number - 1) * ROUTES_PER_PAGE : part.number * ROUTES_PER_PAGE]
    anchor = f"module-{module.slug}"
    return ModuleDoc(
        anchor=anchor,
        link=f"?module={module.slug}#{anchor}" if part else f"#{anchor}",
        name=module.name,
        slug=module.slug,
        number=module.number,
        description=documentation.tags.get(module.name, ""),
        total=len(routes),
        routes=tuple(_describe_route(documentation, route, f"{module.slug}-{number}") for number, route in numbered),
    )


def _get_sort_key(documentation: Documentation, route: RouteSpec) -> tuple[int, str]:
    """Sort routes in the order of the document, then by text."""
    operation = documentation.get(route)
    return (operation.place if operation else len(documentation.operations)), route.text


def get_recordings_link(modules: Iterable[ModuleSpec], link: RequestLink) -> str:
    """Return the part of a recording's link before the lead ID; empty if the API has no recordings."""
    routes = (route for module in modules for route in module.routes if route.recording)
    template = next((route.template for route in routes), "")
    return link.host + quote(template.rpartition("/")[0], safe="/") if template else ""


def build_first_call(documentation: Documentation, modules: Iterable[ModuleSpec], link: RequestLink) -> FirstCall:
    """Return an example call that these modules allow: reading rather than writing, and with few path variables."""
    routes = [
        (_get_method_rank(route.method), route.template.count("{"), number, route)
        for number, module in enumerate(modules)
        for route in module.routes
        if not route.recording
    ]
    if not routes:
        return FirstCall("GET", link.text, "")
    best = min(each[:3] for each in routes)
    candidates = [each[3] for each in routes if each[:3] == best]
    first = _describe_route(documentation, min(candidates, key=lambda route: _get_sort_key(documentation, route)), "")
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
    """Return the headers that a token may be sent in: the text before it, and the kind."""
    return tuple((HEADERS[kind], kind) for kind in rules.credentials if kind in HEADERS)


def _get_method_rank(method: str) -> int:
    """Rank methods for examples: reading first, deleting last."""
    order = ("GET", "POST", "PUT", "PATCH")
    return order.index(method) if method in order else len(order)


def _describe_route(documentation: Documentation, route: RouteSpec, anchor: str) -> RouteDoc:
    operation = documentation.get(route)
    if operation is None:
        return RouteDoc(anchor, route, "", "", False, (), ())
    parameters = tuple(_narrow(each, route) for each in operation.parameters)
    texts = operation.summary, operation.description, operation.deprecated
    return RouteDoc(anchor, route, *texts, parameters, operation.responses)


def _narrow(parameter: Parameter, route: RouteSpec) -> Parameter:
    """Return the parameter restricted to the value that the route's condition requires, if it has one."""
    if parameter.where != "query" or parameter.name not in route.conditions:
        return parameter
    return parameter._replace(required=True, multiple=False, default="", values=(route.conditions[parameter.name],))
