"""Documents become modules and routes; broken and hostile ones get a clear answer and touch nothing outside."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from keys.apis.description import Description
from keys.apis.document import BadDocument
from keys.apis.yaml_loader import load_file
from tests.unit.keys.documents import OK, PUBLIC, RULES, a_document, described, modules, operation

GET = {"get": operation("Shop")}

OUTSIDE = ("open", "socket.", "urllib.", "subprocess.", "os.")
_heard: list[tuple[str, str]] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    # The environment is where pytest notes which test runs.
    if _heard is not None and event.startswith(OUTSIDE) and event != "os.putenv":
        _heard.append((event, repr(arguments)))


sys.addaudithook(_hear)


@pytest.fixture
def touched() -> Iterator[list[tuple[str, str]]]:
    """Every file, socket and process that the interpreter touches during the test."""
    global _heard
    described(a_document({"/a": GET}))  # what is imported for the first time is opened for the first time
    described(a_document({"/a": GET}, version="3.0.3"))
    _heard = []
    yield _heard
    _heard = None


def with_schema(schema: Any) -> dict[str, Any]:
    return a_document({"/a": GET}, components={"schemas": {"A": schema}})


def test_tags_come_in_their_order_then_those_not_listed_then_what_has_none():
    document = a_document(
        {
            "/late": {"get": operation("Late")},
            "/none": {"get": operation()},
            "/b": {"get": operation("B")},
            "/a": {"get": operation("A", "B"), "post": operation("Later")},
        },
        tags=[{"name": "A"}, {"name": "Empty"}, {"name": "B"}],
    )

    assert modules(document) == {
        "a": ["GET /a"],
        "b": ["GET /b"],
        "late": ["GET /late"],
        "later": ["POST /a"],
        "other": ["GET /none"],
    }
    assert list(modules(document)) == ["a", "b", "late", "later", "other"]


@pytest.mark.parametrize(
    ("servers", "route"),
    [
        ([], "GET /a"),
        ([{"url": "/"}], "GET /a"),
        ([{"url": "https://api.example.com"}], "GET /a"),
        ([{"url": "https://api.example.com/v1/"}, {"url": "https://sandbox.example.com/test"}], "GET /v1/a"),
        ([{"url": "v2"}], "GET /v2/a"),
        ([{"url": "https://x.example/{base}", "variables": {"base": {"default": "v3"}}}], "GET /v3/a"),
    ],
)
def test_the_path_of_the_first_server_stands_before_every_route(servers: list[Any], route: str):
    assert modules(a_document({"/a": GET}, servers=servers)) == {"shop": [route]}


def test_a_path_and_an_operation_may_have_servers_of_their_own():
    document = a_document(
        {
            "/a": {"servers": [{"url": "/of-path"}], **GET},
            "/b": {"get": operation("Shop", servers=[{"url": "/of-operation"}])},
        },
        servers=[{"url": "/all"}],
    )

    assert modules(document) == {"shop": ["GET /of-path/a", "GET /of-operation/b"]}


def test_head_is_decided_as_get():
    document = a_document({"/a": {**GET, "head": operation("Other tag")}, "/b": {"head": operation("Shop")}})

    assert modules(document) == {"shop": ["GET /a", "GET /b"]}


def test_a_path_may_be_a_reference():
    document = a_document({"/a": {"$ref": "#/components/pathItems/A"}}, components={"pathItems": {"A": GET}})

    assert modules(document) == {"shop": ["GET /a"]}


def test_extensions_among_the_paths_are_no_paths():
    assert modules(a_document({"/a": GET, "x-note": {"get": 1}})) == {"shop": ["GET /a"]}


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.0", "3.1.1"])
def test_recursive_schemas_are_welcome(version: str):
    children = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    tree = {"type": "object", "properties": {"children": children}}
    both = {"allOf": [{"$ref": "#/components/schemas/Tree"}, {"$ref": "#/components/schemas/Both"}]}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Both"}}}}
    document = a_document(
        {"/a": {"post": operation("Shop", requestBody=body)}},
        version=version,
        components={"schemas": {"Tree": tree, "Both": both}},
    )

    assert modules(document) == {"shop": ["POST /a"]}


def test_schemas_that_fan_out_and_patterns_that_explode_cost_nothing():
    schemas = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(60)} | {
        "S60": {"type": "string", "pattern": "^(a+)+$", "default": "a" * 60 + "!"}
    }
    began = time.process_time()

    assert modules(a_document({"/a": GET}, components={"schemas": schemas}))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (None, "is a mapping with the key openapi, not null"),
        ([], "is a mapping with the key openapi, not an empty list"),
        ({"swagger": "1.2"}, 'swagger is "1.2". Use OpenAPI 3.0 or 3.1'),
        ({"openapi": "3.2.0"}, 'openapi is "3.2.0"'),
        ({"openapi": 3.1}, "openapi is 3.1"),
        ({}, "The document does not state its OpenAPI version. Use OpenAPI 3.0 or 3.1"),
        ({"openapi": "3.1.0"}, "top level: info is missing"),
        (a_document({}), "No operation"),
        (a_document({"/a": {}}), "No operation"),
        (a_document({"/a": GET}, info=None), "/info: null. Write a mapping: an Info Object."),
        (a_document({"/a": GET}, info={"title": " ", "version": "1"}), "/info/title: "),
        (a_document({"/a": GET}, info={"title": "x" * 201, "version": "1"}), "/info/title: "),
        (a_document({"a": GET}), "/paths/a: "),
        (a_document({"/a": None}), "/paths/~1a: null. Write a mapping: a Path Object."),
        (a_document({"/a": {"get": None}}), "/paths/~1a/get: null. Write a mapping"),
        (a_document({"/a": {"get": {**operation(), "tags": "Shop"}}}), '/paths/~1a/get/tags: "Shop". Write a list.'),
        (
            a_document({"/a": {"get": {**operation(), "tags": [7]}}}),
            '/paths/~1a/get/tags/0: 7. Write it in quotes: "7"',
        ),
        (a_document({"/a": {"$ref": "#/paths/~1a"}}), "reference is circular"),
        (
            a_document({"/a": {"$ref": "#/info/title"}}),
            '/info/title: "Shop". Write a mapping: a Path Object.',
        ),
        (a_document({"/a": {"$ref": "#/info"}}), "No operation"),
        (a_document({"/a": {"$ref": "#/components/pathItems/B"}, "/b": GET}), "there is no 'components'"),
        (a_document({"/a": GET}, servers=[{"url": "http://[x"}]), '/servers/0/url: "http://[x". Write a valid URL'),
        (a_document({"/a": GET}, servers={"url": "/"}), "/servers: a mapping. Write a list."),
        (a_document({"/a": GET}, tags=[{"name": 7}]), '/tags/0/name: 7. Write it in quotes: "7"'),
        (a_document({"/a": GET}, tags=["Shop"]), '/tags/0: "Shop". Write a mapping: a Tag Object.'),
    ],
)
@pytest.mark.parametrize("version", ["3.1.0", "3.0.3"])
def test_a_document_that_lacks_what_the_gateway_needs_is_refused_by_place(document: Any, named: str, version: str):
    if isinstance(document, dict) and document.get("openapi") == "3.1.0":
        document = {**document, "openapi": version}

    with pytest.raises(BadDocument) as refused:
        described(document)

    assert named in str(refused.value)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (a_document({"/a": {"get": operation("Shop", responses="none")}}), "/paths/~1a/get/responses: "),
        (a_document({"/a": {"get": operation("Shop", parameters="none")}}), "/paths/~1a/get/parameters: "),
        (
            a_document({"/a": {"parameters": [{"name": "x", "in": "path", "required": True, "schema": {}}], **GET}}),
            '/paths/~1a/get: The parameter "x" is not in the path',
        ),
        ({**a_document({}), "paths": {"/a/{x}": GET}}, "/paths/~1a~1{x}/get: {x} is not described"),
        (a_document({"/a": {"get": operation(operationId="same"), "put": operation(operationId="same")}}), '"same"'),
        (with_schema({"type": "text"}), '/components/schemas/A/type: "text". Write one of string, '),
        (with_schema({"$ref": "#/components/schemas/A"}), "reference is circular"),
        (with_schema({"$ref": "#/components/schemas/B"}), "there is no 'B'"),
        (with_schema({"$ref": "#anchor"}), '"#anchor". It does not refer to a place in this document'),
        (
            a_document({"/a": {"get": operation("Shop", parameters=[{"$ref": "#/info"}])}}),
            "/info: name is missing. Write name.",
        ),
        (
            a_document({"/a": {"get": operation("Shop", requestBody={"$ref": "#/info"})}}),
            "/info: content is missing. Write content.",
        ),
        (a_document({"/a": GET, "/b ": GET}, tags=[{"name": "x"}, {"name": "x"}]), '/tags/1/name: "x" appears twice'),
        (a_document({"/a": GET}, info={"title": "Shop", "version": 1.0}), 'Write it in quotes: "1.0".'),
    ],
)
@pytest.mark.parametrize("version", ["3.1.0", "3.0.3"])
def test_what_is_wrong_besides_is_a_warning_by_place_and_an_error_if_strict(document: Any, named: str, version: str):
    document = {**document, "openapi": version}

    found = described(document)

    assert named in "\n".join(map(str, found.warnings))
    with pytest.raises(BadDocument, match="cannot be imported") as refused:
        Description.from_data(document, RULES, strict=True)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/a?", "Write a query as ?name=value"),
        ("/a?b=1&b=2", "Write a query as ?name=value"),
        ("/a?{b}=1", "Write a query as ?name=value"),
        ("/a?b=x{b}", "Write a query as ?name=value"),
        ("/a?b={b}{c}", "Write a query as ?name=value"),
        ("/a?b=1+2", "%20 for a space"),
        ("/a//b", "The gateway refuses paths with"),
        ("/a/../b", "The gateway refuses paths with"),
        ("/a/./b", "The gateway refuses paths with"),
        ("/a;b", "The gateway refuses paths with"),
        ("/a\\b", "The gateway refuses paths with"),
        ("/a\x7f", "The gateway refuses paths with"),
        ("/a%20b", "without percent-encoding"),
        ("/a%2Fb", "without percent-encoding"),
        ("/{a}{b}", "Adjacent variables"),
        ("/{a}-{b}-{c}", "more than two"),
        ("/" + "x" * 500, "501 characters. Use at most 500"),
    ],
)
def test_a_path_that_no_call_could_take_is_refused(path: str, named: str):
    with pytest.raises(BadDocument) as refused:
        described(a_document({path: GET}))

    assert named in str(refused.value)


@pytest.mark.parametrize("path", ["/a/{x", "/a/x}", "/a/{x/y}", "/{}"])
def test_braces_that_do_not_fit_are_refused(path: str):
    with pytest.raises(BadDocument):
        described({**a_document({}), "paths": {path: GET}})


@pytest.mark.parametrize("path", ["/", "/a/", "/ü", "/a b", "/a/{x}.json", "/{a}:{b}", "/a'b(c)"])
def test_unusual_paths_that_the_gateway_can_match_are_taken(path: str):
    assert modules(a_document({path: GET})) == {"shop": [f"GET {path}"]}


def test_an_absurd_number_of_operations_is_refused():
    document = a_document({f"/a{n}": {"get": {"responses": OK}} for n in range(5001)})

    with pytest.raises(
        BadDocument, match=r"/paths: 5,001 operations\. At most 5,000 are supported: split the document"
    ):
        described(document)


@pytest.mark.parametrize(
    "reference",
    [
        "./other.yaml",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:9/secret.yaml",
        "https://evil.example/openapi.yaml#/components/schemas/A",
        "//evil.example/a.json",
        "other.yaml#/components/schemas/A",
        "",
    ],
)
@pytest.mark.parametrize("place", ["schema", "path", "parameter", "response", "description"])
def test_what_refers_to_files_and_addresses_is_refused(place: str, reference: str, touched: list[Any]):
    there = {"$ref": reference}
    document = a_document({"/a": copy.deepcopy(GET)})
    if place == "schema":
        document["components"] = {"schemas": {"A": {"properties": {"b": {"$dynamicRef": reference}}}}}
    elif place == "path":
        document["paths"]["/b"] = there
    elif place == "parameter":
        document["paths"]["/a"]["get"]["parameters"] = [there]
    elif place == "response":
        document["paths"]["/a"]["get"]["responses"] = {"200": there}
    else:
        document["info"]["description"] = there

    with pytest.raises(BadDocument, match="References to files and URLs are not followed"):
        described(document)

    assert touched == []


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": "http://127.0.0.1:9/x", "properties": {"a": {"$ref": "#/components/schemas/B"}}},
        {"$schema": "http://127.0.0.1:9/x"},
        {"$schema": "file:///etc/passwd", "$ref": "#/components/schemas/B"},
        {"discriminator": {"propertyName": "a", "mapping": {"a": "http://127.0.0.1:9/x"}}},
        {"externalDocs": {"url": "http://127.0.0.1:9/x"}},
    ],
)
def test_no_other_word_makes_it_touch_anything(schema: dict[str, Any], touched: list[Any]):
    document = a_document({"/a": GET}, components={"schemas": {"A": schema, "B": {}}})
    document["jsonSchemaDialect"] = "http://127.0.0.1:9/dialect"

    assert described(document).name == "Shop"
    assert touched == []


def test_a_public_document_that_refers_to_a_file_is_refused(touched: list[Any]):
    document = load_file(PUBLIC)
    opened = [arguments for event, arguments in touched if event == "open"]

    with pytest.raises(BadDocument, match=r'/info/description/\$ref: "\./description\.md"'):
        described(document)

    assert len(opened) == 1
    assert not [arguments for _, arguments in touched if "description.md" in arguments]


def test_a_public_document_becomes_modules_and_routes():
    document = load_file(PUBLIC)
    document["info"]["description"] = "Without the one reference to a file."

    found = described(document)

    assert found.name == "django-allauth: Headless API"
    assert [module.name for module in found.modules][:3] == [
        "Configuration",
        "Authentication: Account",
        "Account: Email",
    ]
    routes = {route.text: module.slug for module in found.modules for route in module.routes}
    assert len(routes) == 56
    assert routes["GET /_allauth/{client}/v1/config"] == "configuration"
    assert routes["DELETE /_allauth/{client}/v1/auth/session"] == "authentication-current-session"
