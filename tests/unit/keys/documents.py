"""Documents and policies for tests of APIs, each a little different."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import allauth

from keys.apis.description import Description
from keys.apis.findings import format_pointer
from keys.apis.yaml_loader import load_file, parse

# A document that nobody here wrote; it comes with the package, and refers to a file for its description.
PUBLIC = Path(allauth.__file__).parent / "headless" / "spec" / "doc" / "openapi.yaml"
RULES = load_file(Path("keys/apis/presets/billing.policy.yaml"))
OK = {"200": {"description": "Fine."}}


def operation(*tags: str, **more: Any) -> dict[str, Any]:
    return {"tags": list(tags), "responses": OK, **more} if tags else {"responses": OK, **more}


def path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def a_document(paths: dict[str, Any], *, version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    """With every variable of a path declared, because validity asks for it."""
    paths = copy.deepcopy(paths)
    for path, item in paths.items():
        names = [part.partition("}")[0] for part in path.split("{")[1:]]
        if names and isinstance(item, dict) and "$ref" not in item:
            item["parameters"] = [*item.get("parameters", []), *map(path_parameter, names)]
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def described(document: Any, **rules: Any) -> Description:
    return Description.from_data(document, {**RULES, **rules})


def modules(document: Any, **rules: Any) -> dict[str, list[str]]:
    """{slug: routes as text}."""
    return {module.slug: [route.text for route in module.routes] for module in described(document, **rules).modules}


# Texts of documents to put together.
HEAD = 'openapi: 3.1.0\ninfo: {title: Jobs, version: "1"}\n'
GET = '{get: {tags: [A], responses: {"200": {description: ok}}}}'
POST = '{post: {tags: [Auth], responses: {"200": {description: ok}}}}'


def describe(text: str, **rules: Any) -> Description:
    return Description.from_data(parse(text), {**RULES, **rules}, text=text)


def item(text: str) -> Any:
    return parse(f"item: {text}")["item"]


def faults(text: str) -> list[tuple[str, int, int]]:
    """(pointer, line, column) of every warning."""
    found = describe(text).warnings
    return [(format_pointer(each.pointer), each.line, each.column) for each in found]
