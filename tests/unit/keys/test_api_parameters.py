"""What documentation says about an operation's parameters."""

from __future__ import annotations

from typing import Any

import pytest

from keys.apis.description import get_preset, list_preset_slugs
from keys.apis.document import list_operations
from keys.apis.parameters import Parameter, list_parameters
from keys.apis.yaml_loader import load_file
from tests.unit.keys.documents import PUBLIC, a_document, operation


def of(document: dict[str, Any], name: str) -> dict[str, Parameter]:
    (found,) = [found for found in list_operations(document) if found.name == name]
    return {parameter.name: parameter for parameter in list_parameters(document, found)}


def body(schema: Any, kind: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"content": {kind: {"schema": schema}}}}


def test_a_parameter_of_a_preset_tells_everything():
    found = of(dict(get_preset("cloud-pbx").document), "GET /leads")

    assert found["status"] == Parameter(
        name="status",
        where="query",
        description="Only leads in one of these statuses; may be given more than once.",
        required=False,
        multiple=True,
        default="",
        values=("new", "called", "interested", "closed"),
    )
    assert found["page"] == Parameter("page", "query", "Page number.", False, False, "1", ())


def test_a_list_of_objects_in_a_body_tells_what_each_has():
    found = of(dict(get_preset("cloud-pbx").document), "POST /leads")

    assert [name for name, parameter in found.items() if parameter.required] == ["phone"]
    assert {parameter.where for parameter in found.values()} == {"body"}
    assert (found["status"].default, found["status"].values) == ("new", ("new", "called", "interested", "closed"))


@pytest.mark.parametrize("slug", list_preset_slugs())
def test_every_parameter_of_a_preset_has_a_description(slug: str):
    document = dict(get_preset(slug).document)
    found = [parameter for each in list_operations(document) for parameter in list_parameters(document, each)]

    assert found
    assert [parameter.name for parameter in found if not parameter.description] == []
    assert any(parameter.values for parameter in found)
    assert any(parameter.default for parameter in found)


def test_an_operations_own_parameters_come_instead_of_the_paths():
    both = {"name": "page", "in": "query", "schema": {"type": "integer", "default": 1}, "description": "Of the path."}
    own = {**both, "description": "Of\n  the operation."}
    document = a_document({"/a/{id}": {"parameters": [both], "get": operation(parameters=[own]), "put": operation()}})

    assert of(document, "GET /a/{id}")["page"].description == "Of the operation."
    assert of(document, "PUT /a/{id}")["page"].description == "Of the path."
    assert of(document, "GET /a/{id}")["id"] == Parameter("id", "path", "", True, False, "", ())


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "boolean", "default": False}, (False, "false", ("true", "false"))),
        ({"type": ["string", "null"], "enum": ["a", None]}, (False, "", ("a",))),
        ({"const": 7}, (False, "", ("7",))),
        ({"anyOf": [{"const": "a"}, {"enum": ["b", "a"]}]}, (False, "", ("a", "b"))),
        ({"type": "array", "items": {"enum": [1, 2]}, "default": [1]}, (True, "[1]", ("1", "2"))),
        ({"allOf": [{"$ref": "#/components/schemas/Size"}], "default": "m"}, (False, "m", ("s", "m"))),
        ({"$ref": "#/components/schemas/Loop"}, (False, "", ("x",))),
        (True, (False, "", ())),
        ({}, (False, "", ())),
    ],
)
def test_defaults_and_values_are_found_wherever_schemas_hide_them(schema: Any, expected: tuple[Any, ...]):
    document = a_document(
        {"/a": {"get": operation(parameters=[{"name": "x", "in": "query", "schema": schema}])}},
        components={
            "schemas": {
                "Size": {"type": "string", "enum": ["s", "m"]},
                "Loop": {"anyOf": [{"$ref": "#/components/schemas/Loop"}, {"const": "x"}]},
            }
        },
    )
    found = of(document, "GET /a")["x"]

    assert (found.multiple, found.default, found.values) == expected


def test_a_body_is_read_through_references_and_compositions_once():
    schemas = {
        "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "readOnly": True}}},
        "Tree": {
            "allOf": [{"$ref": "#/components/schemas/Base"}],
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "Its name."},
                "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
            },
        },
    }
    document = a_document(
        {"/a": {"post": operation(**body({"$ref": "#/components/schemas/Tree"}))}}, components={"schemas": schemas}
    )

    assert of(document, "POST /a") == {
        "name": Parameter("name", "body", "Its name.", True, False, "", ()),
        "children": Parameter("children", "body", "", False, True, "", ()),
    }


def test_a_form_is_a_body_too():
    form = body({"type": "object", "properties": {"file": {"type": "string"}}}, "multipart/form-data")

    assert list(of(a_document({"/a": {"post": operation(**form)}}), "POST /a")) == ["file"]
    text = body({"type": "string"}, "text/plain")
    assert of(a_document({"/a": {"post": operation(**text)}}), "POST /a") == {}


def test_parameters_of_a_public_document_appear():
    document = load_file(PUBLIC)
    found = of(document, "POST /_allauth/{client}/v1/auth/login")

    assert found["client"].where == "path"
    assert found["client"].values == ("app", "browser")
    assert {name for name, parameter in found.items() if parameter.where == "body"} >= {"username", "email", "password"}
