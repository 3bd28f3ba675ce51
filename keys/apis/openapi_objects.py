"""The objects of OpenAPI 3.0 and 3.1 and of their schemas: the fields of each and their types.

A field's name ends in `!` if it is required and in `*` if the gateway needs it, so that an error in it is fatal. A type
is `text`, `flag`, `number`, `count` (0, 1, 2, …), `data` (any value, never inspected, so that a `$ref` in it is data),
an object's name, `[type]` for a list or `{type}` for a mapping; `a|b` accepts either. Sources:
spec.openapis.org/oas/v3.0.4, /v3.1.1; json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from typing import NamedTuple

_OPERATION = {
    "tags*": "[text]",
    "servers*": "[Server]",
    "summary": "text",
    "description": "text",
    "externalDocs": "External Documentation",
    "operationId": "text",
    "parameters": "[Parameter]",
    "requestBody": "Request Body",
    "responses": "Responses",
    "callbacks": "{Callback}",
    "deprecated": "flag",
    "security": "[Security Requirement]",
}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PATH = {"summary": "text", "description": "text", "parameters": "[Parameter]", "servers*": "[Server]", "$ref*": "text"}
_MEDIA = {"example": "data", "examples": "{Example}", "schema": "Schema", "content": "{Media Type}"}
_PARAMETER = {
    "description": "text",
    "required": "flag",
    "deprecated": "flag",
    "allowEmptyValue": "flag",
    "style": "text",
    "explode": "flag",
    "allowReserved": "flag",
    **_MEDIA,
}
_FLOW = {"authorizationUrl": "text", "tokenUrl": "text", "refreshUrl": "text", "scopes": "{text}"}

_OBJECTS: dict[str, dict[str, str]] = {
    "OpenAPI": {
        "openapi!*": "text",
        "info!*": "Info",
        "jsonSchemaDialect": "text",
        "servers*": "[Server]",
        "paths*": "Paths",
        "webhooks": "{Webhook}",
        "components": "Components",
        "security": "[Security Requirement]",
        "tags*": "[Tag]",
        "externalDocs": "External Documentation",
    },
    "Info": {
        "title!*": "text",
        "version!": "text",
        "summary": "text",
        "description": "text",
        "termsOfService": "text",
        "contact": "Contact",
        "license": "License",
    },
    "Contact": {"name": "text", "url": "text", "email": "text"},
    "License": {"name!": "text", "identifier": "text", "url": "text"},
    "Server": {"url!*": "text", "description": "text", "variables*": "{Server Variable}"},
    "Server Variable": {"default!*": "text", "enum": "[text]", "description": "text"},
    "Tag": {"name!*": "text", "description": "text", "externalDocs": "External Documentation"},
    "External Documentation": {"url!": "text", "description": "text"},
    "Path": _PATH | {f"{method}*": "Operation" for method in METHODS},
    "Operation": _OPERATION,
    # The same fields; they define no route, so nothing in them is fatal.
    "Webhook": {name.rstrip("*"): kind for name, kind in _PATH.items()} | dict.fromkeys(METHODS, "Callback Operation"),
    "Callback Operation": {name.rstrip("*"): kind for name, kind in _OPERATION.items()},
    "Parameter": {"name!": "text", "in!": "text", **_PARAMETER},
    "Header": _PARAMETER,
    "Request Body": {"content!": "{Media Type}", "description": "text", "required": "flag"},
    "Media Type": {"schema": "Schema", "example": "data", "examples": "{Example}", "encoding": "{Encoding}"},
    "Encoding": {
        "contentType": "text",
        "headers": "{Header}",
        "style": "text",
        "explode": "flag",
        "allowReserved": "flag",
    },
    "Response": {
        "description!": "text",
        "headers": "{Header}",
        "content": "{Media Type}",
        "links": "{Link}",
    },
    "Example": {"summary": "text", "description": "text", "value": "data", "externalValue": "text"},
    "Link": {
        "operationRef": "text",
        "operationId": "text",
        "parameters": "{data}",
        "requestBody": "data",
        "description": "text",
        "server": "Server",
    },
    "Components": {
        "schemas": "{Schema}",
        "responses": "{Response}",
        "parameters": "{Parameter}",
        "examples": "{Example}",
        "requestBodies": "{Request Body}",
        "headers": "{Header}",
        "securitySchemes": "{Security Scheme}",
        "links": "{Link}",
        "callbacks": "{Callback}",
        "pathItems": "{Webhook}",
    },
    "Security Scheme": {
        "type!": "text",
        "description": "text",
        "name": "text",
        "in": "text",
        "scheme": "text",
        "bearerFormat": "text",
        "flows": "OAuth Flows",
        "openIdConnectUrl": "text",
    },
    "OAuth Flows": dict.fromkeys(("implicit", "password", "clientCredentials", "authorizationCode"), "OAuth Flow"),
    "OAuth Flow": _FLOW,
    "Discriminator": {"propertyName!": "text", "mapping": "{text}"},
    "XML": {"name": "text", "namespace": "text", "prefix": "text", "attribute": "flag", "wrapped": "flag"},
}
# Mappings with arbitrary names. `Responses` and `Paths` restrict the names (keys/apis/validation.py).
_MAPS = {"Paths": "Path", "Responses": "Response", "Callback": "Webhook", "Security Requirement": "[text]"}
_REFERABLE = frozenset(
    {
        *("Path", "Webhook", "Parameter", "Header", "Request Body", "Response", "Example", "Link", "Callback"),
        *("Security Scheme", "Schema"),
    }
)

_SCHEMA = {
    **dict.fromkeys(("title", "description", "format", "pattern", "$ref"), "text"),
    **dict.fromkeys(("multipleOf", "maximum", "minimum"), "number"),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), "count"),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), "flag"),
    **dict.fromkeys(("allOf", "oneOf", "anyOf"), "[Schema]"),
    **dict.fromkeys(("not", "items"), "Schema"),
    "properties": "{Schema}",
    "required": "[text]",
    "enum": "[data]",
    "default": "data",
    "example": "data",
    "discriminator": "Discriminator",
    "xml": "XML",
    "externalDocs": "External Documentation",
}
_SCHEMA_30 = _SCHEMA | {
    "type": "text",
    "nullable": "flag",
    "exclusiveMaximum": "flag",
    "exclusiveMinimum": "flag",
    "additionalProperties": "flag|Schema",
}
_SCHEMA_31 = _SCHEMA | {
    **dict.fromkeys(("$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef"), "text"),
    **dict.fromkeys(("$comment", "contentEncoding", "contentMediaType"), "text"),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), "number"),
    **dict.fromkeys(("maxContains", "minContains"), "count"),
    **dict.fromkeys(("if", "then", "else", "contains", "propertyNames", "contentSchema"), "Schema"),
    **dict.fromkeys(("additionalProperties", "unevaluatedItems", "unevaluatedProperties"), "Schema"),
    **dict.fromkeys(("patternProperties", "$defs", "definitions", "dependentSchemas"), "{Schema}"),
    "prefixItems": "[Schema]",
    "dependentRequired": "{[text]}",
    "$vocabulary": "{flag}",
    "type": "text|[text]",
    "const": "data",
    "examples": "[data]",
}


class Rule(NamedTuple):
    """The type of a field.

    `types` are the Python types of the value or container, `inner` is the rule of the items of a list or mapping,
    `name` that of an object, `other` an alternative.
    """

    kind: str
    types: tuple[type, ...]
    name: str = ""
    inner: Rule | None = None
    other: Rule | None = None
    fatal: bool = False


class Shape(NamedTuple):
    """An object: rules by field, the required fields (each with whether its absence is fatal), and the rule of all
    other names."""

    name: str
    rules: dict[str, Rule]
    required: tuple[tuple[str, bool], ...]
    rest: Rule | None
    referable: bool


_LEAVES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "flag": (bool,),
    "number": (int, float),
    "count": (int,),
    "data": (),
}


def _parse_rule(text: str, *, fatal: bool = False) -> Rule:
    first, _, second = text.partition("|")
    other = _parse_rule(second) if second else None
    if first[0] in "[{":
        kind, container = ("list", list) if first[0] == "[" else ("mapping", dict)
        return Rule(kind, (container,), inner=_parse_rule(first[1:-1], fatal=fatal), other=other, fatal=fatal)
    if first in _LEAVES:
        return Rule(first, _LEAVES[first], other=other, fatal=fatal)
    return Rule("object", (dict,), first, other=other, fatal=fatal)


def _build_shape(name: str, fields: dict[str, str]) -> Shape:
    names = {field: field.rstrip("!*") for field in fields}
    return Shape(
        name,
        {names[field]: _parse_rule(kind, fatal="*" in field) for field, kind in fields.items()},
        tuple((names[field], "*" in field) for field in fields if "!" in field),
        _parse_rule(_MAPS[name], fatal=name == "Paths") if name in _MAPS else None,
        name in _REFERABLE,
    )


def _build_shapes(schema: dict[str, str]) -> dict[str, Shape]:
    objects = _OBJECTS | {"Schema": schema} | {name: {} for name in _MAPS}
    return {name: _build_shape(name, fields) for name, fields in objects.items()}


SHAPES = {"3.0": _build_shapes(_SCHEMA_30), "3.1": _build_shapes(_SCHEMA_31)}
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
