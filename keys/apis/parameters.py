"""Read the parameters and responses of an operation for documentation. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from keys.apis.document import Operation
from keys.apis.references import resolve_mapping

# Preferred media types of a body, best first; else its first one.
BODIES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class Parameter(NamedTuple):
    """A parameter.

    `where` is query, path, header, cookie or body; `multiple` is whether it may be repeated; `default` is empty if
    there is none; `values` are the possible values, empty if any is allowed.
    """

    name: str
    where: str
    description: str
    required: bool
    multiple: bool
    default: str
    values: tuple[str, ...]


class ResponseSpec(NamedTuple):
    """A response: its status (or default), its media types, and the properties of the first."""

    status: str
    description: str
    kinds: tuple[str, ...]
    properties: tuple[Parameter, ...]


def list_responses(document: Mapping[str, Any], operation: Operation) -> Iterator[ResponseSpec]:
    for status, reference in _as_mapping(operation.content.get("responses")).items():
        answer = resolve_mapping(document, reference)
        content = _as_mapping(answer.get("content"))
        properties = tuple(_list_properties(document, _get_media_type(content), hidden="writeOnly"))
        yield ResponseSpec(str(status), _format_line(answer.get("description")), tuple(content), properties)


def list_parameters(document: Mapping[str, Any], operation: Operation) -> tuple[Parameter, ...]:
    """Return the parameters of the path, overridden by those of the operation, then the properties of the body."""
    found: dict[tuple[str, str], Parameter] = {}
    for reference in operation.parameters:
        parameter = resolve_mapping(document, reference)
        name, where = parameter.get("name"), parameter.get("in")
        if not isinstance(name, str) or not isinstance(where, str):
            continue
        content = _as_mapping(next(iter(_as_mapping(parameter.get("content")).values()), None))
        schema = parameter.get("schema", content.get("schema", {}))
        built = _build_parameter(document, name, where, schema, parameter.get("required", False))
        described = parameter.get("description") or built.description
        found[built.where, built.name] = built._replace(description=_format_line(described))
    return (*found.values(), *_list_body_parameters(document, operation))


def _list_body_parameters(document: Mapping[str, Any], operation: Operation) -> Iterator[Parameter]:
    body = resolve_mapping(document, operation.content.get("requestBody"))
    return _list_properties(document, _get_media_type(_as_mapping(body.get("content"))), hidden="readOnly")


def _get_media_type(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return _as_mapping(next((content[kind] for kind in BODIES if kind in content), next(iter(content.values()), None)))


def _list_properties(document: Mapping[str, Any], media: Mapping[str, Any], *, hidden: str) -> Iterator[Parameter]:
    """Yield the properties of a body's schema, without those that only the other side sends (`hidden`)."""
    shapes = list(_list_shapes(document, media.get("schema", {})))
    if items := [shape["items"] for shape in shapes if "items" in shape]:
        # A list of objects: use the properties of its items.
        shapes = list(_list_shapes(document, items[0]))
    required = [name for shape in shapes for name in _as_list(shape.get("required")) if isinstance(name, str)]
    seen: set[str] = set()
    for shape in shapes:
        for name, schema in _as_mapping(shape.get("properties")).items():
            if name not in seen and not any(part.get(hidden) for part in _list_shapes(document, schema)):
                seen.add(name)
                yield _build_parameter(document, name, "body", schema, name in required)


def _build_parameter(document: Mapping[str, Any], name: str, where: str, schema: Any, required: Any) -> Parameter:
    shapes = list(_list_shapes(document, schema))
    multiple = any("array" in _get_types(shape) or "items" in shape for shape in shapes)
    items = [part for shape in shapes if "items" in shape for part in _list_shapes(document, shape["items"])]
    defaults = [shape["default"] for shape in shapes if shape.get("default") is not None]
    described = next((shape["description"] for shape in shapes if shape.get("description")), "")
    values = _list_values(items if multiple else shapes)
    return Parameter(
        name=name,
        where=where,
        description=_format_line(described),
        required=required is True,
        multiple=multiple,
        default=_format_text(defaults[0]) if defaults else "",
        values=tuple(dict.fromkeys(_format_text(value) for value in values if value is not None)),
    )


def _list_shapes(document: Mapping[str, Any], schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the schema and those that it is composed of, each once, even if they refer to each other."""
    pending, seen = [schema], set()
    while pending:
        shape = resolve_mapping(document, pending.pop(0))
        if not shape or id(shape) in seen:
            continue
        seen.add(id(shape))
        yield shape
        for word in ("allOf", "oneOf", "anyOf"):
            pending += _as_list(shape.get(word))


def _list_values(shapes: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    for shape in shapes:
        yield from _as_list(shape.get("enum"))
        if "const" in shape:
            yield shape["const"]
        if "boolean" in _get_types(shape):
            yield from (True, False)


def _get_types(shape: Mapping[str, Any]) -> list[Any]:
    kind = shape.get("type")
    return kind if isinstance(kind, list) else [kind]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _format_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _format_line(text: Any) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""
