"""Modules and routes of an OpenAPI document: tags are modules, paths are routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.text import slugify

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class BadDocument(ValueError):
    """The OpenAPI document cannot be used; the text names the place and what would be right."""


class ModuleOf(NamedTuple):
    """A module as a document describes it; routes are (method, path template)."""

    slug: str
    name: str
    routes: tuple[tuple[str, str], ...]


def modules_of(document: Mapping[str, Any]) -> tuple[ModuleOf, ...]:
    """The document's modules, in the order of its tags."""
    # Here, because the validator takes half a second to import and pages never need it.
    from openapi_spec_validator import validate
    from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

    try:
        validate(document)
    except OpenAPIValidationError as error:
        raise BadDocument(f"The document is not valid OpenAPI: {error}") from error
    routes: dict[str, list[tuple[str, str]]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            tags = item[method].get("tags", [])
            if len(tags) != 1 or tags[0] not in routes:
                raise BadDocument(f"{method.upper()} {path} has the tags {tags!r}; it needs one that `tags` lists.")
            routes[tags[0]].append((method.upper(), path))
    modules = tuple(ModuleOf(slugify(name), name, tuple(found)) for name, found in routes.items())
    if len({module.slug for module in modules}) != len(modules) or not all(module.slug for module in modules):
        raise BadDocument(f"The tags {sorted(routes)} do not make distinct slugs. Use letters and digits.")
    return modules
