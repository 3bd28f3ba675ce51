"""Read the operations of an OpenAPI document: method, path template, conditions and parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from keys.apis.findings import FaultyFile
from keys.apis.openapi_objects import METHODS
from keys.apis.references import resolve_mapping

MAX_OPERATIONS = 5000
MAX_TEMPLATE_LENGTH = 500
MAX_NAME_LENGTH = 200
# Of a path with its fragment and its query.
MAX_PLACE_LENGTH = 4 * MAX_TEMPLATE_LENGTH
MAX_SERVER_LENGTH = 2000
MAX_PARAMETERS = 500
MAX_TAGS = 100
_SERVER_VARIABLE = re.compile(r"\{([^{}]*)\}")
_ANY_VALUE = re.compile(r"[^={}]+=\{[^={}]+\}")


class BadDocument(FaultyFile):
    """The OpenAPI document cannot be used."""


class Operation(NamedTuple):
    """An operation.

    `path` is the document's path without a fragment and without query parameters of any value; `template` is what the
    gateway matches: the path of the server and the path, without the query, whose parameters are `conditions`. `place`
    is the path exactly as in the document.
    """

    method: str
    path: str
    template: str
    tags: tuple[str, ...]
    # The parameters of the path, then those of the operation.
    parameters: tuple[Any, ...]
    content: Mapping[str, Any]
    conditions: Mapping[str, str]
    place: str

    @property
    def name(self) -> str:
        """The operation as policies name it: `METHOD path`."""
        return f"{self.method} {self.path}"


def list_operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations in the document's order.

    HEAD is left out where there is GET, because it is decided as GET. Of paths that differ only in their fragment or in
    query parameters of any value the first counts: a fragment is never sent, and such a parameter is no condition.
    """
    seen: set[tuple[str, str]] = set()
    for operation in list_variants(document):
        if (operation.method, operation.path) not in seen:
            seen.add((operation.method, operation.path))
            yield operation


def list_variants(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations, including those that match the same calls as an earlier one.

    Malformed parts of the document are skipped.
    """
    for place, reference in get_mapping(document, "paths").items():
        item = resolve_mapping(document, reference)
        if not place.startswith("/"):
            continue
        # One that is too long is refused as it is.
        path = get_sent_path(place) if len(place) <= MAX_PLACE_LENGTH else place
        for method in METHODS:
            content = item.get(method)
            if not isinstance(content, Mapping) or (method == "head" and "get" in item):
                continue
            servers = get_list(content, "servers") or get_list(item, "servers") or get_list(document, "servers")
            base, _, query = path.partition("?")
            yield Operation(
                method="GET" if method == "head" else method.upper(),
                path=path,
                template=get_base_path(servers[0] if servers else {}) + base,
                tags=tuple(tag for tag in get_list(content, "tags")[: MAX_TAGS + 1] if isinstance(tag, str)),
                # Thousands of paths may refer to one item, so nothing of any length is copied for each.
                parameters=(
                    *get_list(item, "parameters")[: MAX_PARAMETERS + 1],
                    *get_list(content, "parameters")[: MAX_PARAMETERS + 1],
                ),
                content=content,
                conditions=_parse_conditions(query) if len(path) <= MAX_TEMPLATE_LENGTH else {},
                place=place,
            )


def get_operations_by_route(
    document: Mapping[str, Any],
) -> dict[tuple[str, str, frozenset[tuple[str, str]]], Operation]:
    """Return the operations by method, template and conditions, in the document's order."""
    return {
        (each.method, each.template, frozenset(each.conditions.items())): each for each in list_operations(document)
    }


def get_server_url(server: Any) -> str:
    """Return a server's address with its variables at their defaults, cut where it is too long; `/` if it has none."""
    url = server.get("url") if isinstance(server, Mapping) else None
    if not isinstance(url, str):
        return "/"
    variables = get_mapping(server, "variables")

    def get_default(found: re.Match[str]) -> str:
        default = get_mapping(variables, found[1]).get("default")
        return default[: MAX_SERVER_LENGTH + 1] if isinstance(default, str) else found[0]

    # Cut before and after, because a default may stand there any number of times.
    return _SERVER_VARIABLE.sub(get_default, url[: MAX_SERVER_LENGTH + 1])[: MAX_SERVER_LENGTH + 1]


def get_base_path(server: Any) -> str:
    """Return the path of a server's URL, which the gateway sees before every path; empty for an invalid URL."""
    try:
        path = urlsplit(get_server_url(server)).path.rstrip("/")
    except ValueError:
        return ""
    return f"/{path.lstrip('/')}" if path else ""


def get_sent_path(place: str) -> str:
    """Return a path without its fragment and without query parameters of any value, as in `?filter={filter}`."""
    base, mark, query = place.partition("#")[0].partition("?")
    fixed_query = "&".join(piece for piece in query.split("&") if not _ANY_VALUE.fullmatch(piece))
    return f"{base}?{fixed_query}" if fixed_query or (mark and not query) else base


def _parse_conditions(query: str) -> dict[str, str]:
    """Return the names and values of a query, decoded once; a plus is a plus, as in the gateway."""
    pairs = (piece.partition("=") for piece in query.split("&") if piece)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def get_mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return the mapping of that name, or an empty one."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def get_list(value: Any, name: str) -> list[Any]:
    """Return the list of that name, or an empty one."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []
