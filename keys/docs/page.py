"""What documentation says of an API and of what one key may do with it, from the API's document and policy. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from keys.apis.document import Operation, address_of, base_of, get_list, operations_by_route
from keys.apis.modules import ModuleOf, RouteOf
from keys.apis.parameters import Answer, Parameter, answers_of, parameters_of
from keys.apis.policy import HEADERS, Policy

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
    route: RouteOf
    summary: str
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    answers: tuple[Answer, ...]


class ModuleDoc(NamedTuple):
    anchor: str
    name: str
    slug: str
    number: int | None
    description: str
    routes: tuple[RouteDoc, ...]
    # Those of the modules described that it contains.
    contained: tuple[ModuleDoc, ...] = ()


def request_link(document: Mapping[str, Any], rules: Policy, setting: str) -> RequestLink:
    """Return where the API is reached: as its setting says, else its policy, else its document's first server."""
    servers = get_list(document, "servers")
    server = servers[0] if servers else {}
    url = address_of(server)
    parts = urlsplit(url)
    named = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
    said = setting or rules.request_link or named
    return RequestLink(said or NO_HOST, base_of(server), bool(said))


def modules_described(
    document: Mapping[str, Any], modules: Iterable[ModuleOf], *, recordings: bool
) -> tuple[ModuleDoc, ...]:
    """The modules and their routes in the order of the document; with `recordings`, also those that a link opens."""
    found = operations_by_route(document)
    places = {name[:2]: place for place, name in enumerate(found)}
    said = {tag["name"]: _line(tag.get("description")) for tag in get_list(document, "tags")}
    described: dict[str, ModuleDoc] = {}
    modules = list(modules)
    for module in modules:
        routes = sorted(
            (route for route in module.routes if recordings or not route.recording),
            key=lambda route: (places.get(route[:2], len(places)), route.text),
        )
        docs = (
            _route(document, _operation_of(found, route), route, f"{module.slug}-{number}")
            for number, route in enumerate(routes, start=1)
        )
        anchor = f"module-{module.slug}"
        text = said.get(module.name, "")
        described[module.slug] = ModuleDoc(anchor, module.name, module.slug, module.number, text, tuple(docs))
    return tuple(
        described[module.slug]._replace(
            contained=tuple(described[slug] for slug in module.contained if slug in described)
        )
        for module in modules
    )


def recordings_link(modules: Iterable[ModuleOf], link: RequestLink) -> str:
    """What stands before the lead ID in a recording's link; empty if the API has no recordings."""
    routes = (route for module in modules for route in module.routes if route.recording)
    template = next((route.template for route in routes), "")
    return link.host + quote(template.rpartition("/")[0], safe="/") if template else ""


def first_call(modules: Iterable[ModuleDoc], link: RequestLink) -> FirstCall:
    """A call that these modules allow: one that reads, or else one that adds, best one without variables."""
    routes = [doc for module in modules for doc in module.routes if not doc.route.recording]
    if not routes:
        return FirstCall("GET", link.text, "")
    first = min(routes, key=lambda doc: (_eagerness(doc.route.method), doc.route.template.count("{")))
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


def headers(rules: Policy) -> tuple[tuple[str, str], ...]:
    """The headers that a token is sent in, any one of them: what stands before it, and the kind."""
    return tuple((HEADERS[kind], kind) for kind in rules.credentials if kind in HEADERS)


def _eagerness(method: str) -> int:
    """How soon a method is shown: one that takes away, last."""
    order = ("GET", "POST", "PUT", "PATCH")
    return order.index(method) if method in order else len(order)


def _operation_of(found: Mapping[Any, Operation], route: RouteOf) -> Operation | None:
    """The operation that has the route's conditions in its own path, or else the one that a policy narrows by them."""
    key = route.method, route.template
    return found.get((*key, frozenset(route.conditions.items())), found.get((*key, frozenset())))


def _route(document: Mapping[str, Any], operation: Operation | None, route: RouteOf, anchor: str) -> RouteDoc:
    if operation is None:
        return RouteDoc(anchor, route, "", "", False, (), ())
    content = operation.content
    return RouteDoc(
        anchor=anchor,
        route=route,
        summary=_line(content.get("summary")),
        description=_line(content.get("description")),
        deprecated=content.get("deprecated") is True,
        parameters=tuple(_narrowed(each, route) for each in parameters_of(document, operation)),
        answers=tuple(answers_of(document, operation)),
    )


def _narrowed(parameter: Parameter, route: RouteOf) -> Parameter:
    """A parameter that the route has a condition on takes that value alone."""
    if parameter.where != "query" or parameter.name not in route.conditions:
        return parameter
    return parameter._replace(required=True, multiple=False, default="", values=(route.conditions[parameter.name],))


def _line(text: Any) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""
