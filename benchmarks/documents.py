"""Generates OpenAPI documents of any size, shaped as those of large vendors: many schemas, long descriptions,
examples."""

from __future__ import annotations

from typing import Any

_WORDS = "creates returns the list of resources that belong to an account and match every filter of the request "


def make_document(operations: int, megabytes: float) -> dict[str, Any]:
    """Return a valid document of so many operations, and of about so many megabytes as JSON."""
    size = int(megabytes * 1_000_000 / operations)
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for number in range(operations):
        collection, each = f"/v1/area{number % 40}/kind{number // 4}", number % 4
        path = collection if each < 2 else f"{collection}/{{id}}"
        method = ("get", "post", "get", "delete")[each]
        item = paths.setdefault(path, {"parameters": [_ID]} if each >= 2 else {})
        item[method] = _operation(number, method, size)
        schemas[f"Kind{number}"] = _schema(number, size)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Large", "version": "1", "description": _WORDS * 3},
        "servers": [{"url": "https://api.example.com"}],
        "tags": [{"name": f"Area {number}", "description": _WORDS} for number in range(40)],
        "security": [{"key": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


_ID = {"name": "id", "in": "path", "required": True, "description": _WORDS, "schema": {"type": "string"}}


def _operation(number: int, method: str, size: int) -> dict[str, Any]:
    kind = {"$ref": f"#/components/schemas/Kind{number}"}
    media = {"application/json": {"schema": kind, "example": _example(size // 400)}}
    failed = {"description": _WORDS, "content": {"application/json": {"schema": kind}}}
    operation = {
        "operationId": f"{method}{number}",
        "summary": f"Operation {number}",
        "description": _WORDS * max(size // 1500, 1),
        "tags": [f"Area {number % 40}"],
        "parameters": [
            {
                "name": f"filter{each}",
                "in": "query",
                "description": _WORDS,
                "schema": {"type": "string", "maxLength": 40},
            }
            for each in range(max(size // 1000, 1))
        ],
        "responses": {"200": {"description": "OK", "content": media}, "400": failed, "404": failed},
    }
    return operation | ({"requestBody": {"content": media}} if method == "post" else {})


def _schema(number: int, size: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        f"property{each}": {"type": "string", "description": _WORDS, "example": "text", "maxLength": 200}
        for each in range(max(size // 500, 1))
    }
    properties["parent"] = {"$ref": f"#/components/schemas/Kind{number // 2}"}
    return {"type": "object", "required": ["property0"], "properties": properties}


def _example(count: int) -> list[Any]:
    return [{"id": each, "name": f"Example {each}", "tags": ["a", "b"], "price": 1.5} for each in range(count)]
