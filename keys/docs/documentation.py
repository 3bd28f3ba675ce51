"""Extract what pages need from an API's document, cached per process and version of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from keys.apis.document import get_list, get_mapping, get_operations_by_route
from keys.apis.parameters import Parameter, ResponseSpec, list_parameters, list_responses
from keys.apis.route_building import RouteSpec
from keys.models import Api

# An entry takes about as much memory as the document's text.
MAX_CACHED_APIS = 8
RouteKey = tuple[str, str, frozenset[tuple[str, str]]]


class OperationDoc(NamedTuple):
    """The documentation of an operation. `place` is its position in the document."""

    place: int
    summary: str
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    responses: tuple[ResponseSpec, ...]


@dataclass(frozen=True, slots=True)
class Documentation:
    """The documentation of an API. `server` is the document's first server, `tags` maps names to descriptions."""

    info: Mapping[str, Any]
    server: Any
    tags: Mapping[str, str]
    operations: Mapping[RouteKey, OperationDoc]

    def get(self, route: RouteSpec) -> OperationDoc | None:
        """Return the operation whose own path has the route's conditions, or else the one that the policy narrows by
        them."""
        key = route.method, route.template
        found = self.operations.get((*key, frozenset(route.conditions.items())))
        return found or self.operations.get((*key, frozenset()))


def get_documentation(api: Api) -> Documentation:
    """Return the documentation of the API's present version."""
    return load_documentation(api.pk, get_row_version(api))


def get_row_version(api: Api) -> str:
    """Return what identifies the stored version of the API: the transaction that wrote its row, and the row's
    location. They differ after every change."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text || ctid::text FROM keys_api WHERE id = %s", [api.pk])
        row = cursor.fetchone()
    if row is None:
        raise Api.DoesNotExist
    return str(row[0])


@lru_cache(maxsize=MAX_CACHED_APIS)
def load_documentation(api_id: int, version: str) -> Documentation:
    """Return the documentation as get_documentation does; `version` is what get_row_version says of the API."""
    return describe_document(Api.objects.values_list("document", flat=True).get(pk=api_id))


def describe_document(document: Mapping[str, Any]) -> Documentation:
    """Return the documentation of a document; malformed parts are left out."""
    servers = get_list(document, "servers")
    tags = [tag for tag in get_list(document, "tags") if isinstance(tag, Mapping)]
    found = get_operations_by_route(document)
    return Documentation(
        info=get_mapping(document, "info"),
        server=servers[0] if servers else {},
        tags={format_line(tag.get("name")): format_line(tag.get("description")) for tag in tags},
        operations={
            key: OperationDoc(
                place=place,
                summary=format_line(operation.content.get("summary")),
                description=format_line(operation.content.get("description")),
                deprecated=operation.content.get("deprecated") is True,
                parameters=list_parameters(document, operation),
                responses=tuple(list_responses(document, operation)),
            )
            for place, (key, operation) in enumerate(found.items())
        },
    )


def format_line(text: Any) -> str:
    """Return the text on one line; empty if it is not a text."""
    return " ".join(text.split()) if isinstance(text, str) else ""
