"""Faults of documents as the world writes them: all at once, each with its place and what would be right."""

from __future__ import annotations

import json

import pytest

from keys.apis import findings
from keys.apis.description import BadDescription, Description
from keys.apis.document import BadDocument
from keys.apis.policy_parsing import BadPolicy
from keys.apis.yaml_loader import parse
from tests.unit.keys.documents import GET, HEAD, RULES, describe, faults, item


def with_schema(schema: str) -> str:
    """Build a document in which the schema's own text begins in line 5, column 5."""
    return f"{HEAD}paths: {{/a: {GET}}}\ncomponents: {{schemas: {{A:\n    {schema}}}}}\n"


def with_body(media: str) -> str:
    body = f"requestBody: {{content: {{application/json: {media}}}}}"
    return f"{HEAD}paths:\n  /a: {{post: {{tags: [A], {body}}}}}\n"


@pytest.mark.parametrize("reference", ["https://api.example.com/orders/1", "./a.yaml", "#/nowhere", "#/info", ""])
@pytest.mark.parametrize(
    "text",
    [
        with_body("{example: REF}"),
        with_body("{examples: {one: {value: REF}}}"),
        with_body("{examples: {one: {value: [{a: REF}]}}}"),
        with_body("{x-sample: REF}"),
        with_schema("{default: REF}"),
        with_schema("{enum: [REF, 1]}"),
        with_schema("{const: REF}"),
        with_schema("{const: {allOf: [REF]}}"),
        with_schema("{examples: [REF]}"),
        with_schema("{properties: {default: {example: REF}}}"),
        with_schema("{x-origin: REF}"),
        f"{HEAD}x-note: REF\npaths: {{x-path: REF, /a: {GET}}}\n",
    ],
)
def test_a_reference_in_data_is_data(text: str, reference: str):
    assert faults(text.replace("REF", f'{{$ref: "{reference}"}}')) == []


@pytest.mark.parametrize(
    "schema",
    [
        "{properties: {default: {$ref: x.yaml}}}",
        "{properties: {x-a: {$ref: x.yaml}}}",
        "{properties: {example: {items: {$ref: x.yaml}}}}",
        "{$defs: {const: {$ref: x.yaml}}}",
        "{patternProperties: {enum: {$ref: x.yaml}}}",
        "{additionalProperties: {$ref: x.yaml}}",
        "{prefixItems: [{$ref: x.yaml}]}",
        "{if: {not: {$ref: x.yaml}}}",
        "{$dynamicRef: x.yaml}",
        "{title: {$ref: x.yaml}}",
    ],
)
def test_a_name_like_a_word_for_data_hides_no_reference(schema: str):
    with pytest.raises(BadDocument, match="References to files and URLs are not followed") as refused:
        describe(with_schema(schema))

    assert refused.value.report[0].line == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_schema("{type: number, exclusiveMinimum: true}"), [("exclusiveMinimum", 5, 38)]),
        (with_schema("{exclusiveMaximum: false, minimum: '1'}"), [("exclusiveMaximum", 5, 24), ("minimum", 5, 40)]),
        (with_schema("{type: text}"), [("type", 5, 12)]),
        (with_schema("{type: [string, text, nil]}"), [("type/1", 5, 21), ("type/2", 5, 27)]),
        (with_schema("{required: [one, two, one, two]}"), [("required/2", 5, 27), ("required/3", 5, 32)]),
        (with_schema("{required: true, maxLength: -1}"), [("required", 5, 16), ("maxLength", 5, 33)]),
        (with_schema("{nullable: true, optional: true}"), [("nullable", 5, 16), ("optional", 5, 32)]),
        (with_schema("{properties: [a], items: 1}"), [("properties", 5, 18), ("items", 5, 30)]),
        (with_schema("{allOf: {}, enum: a, not: 7}"), [("allOf", 5, 13), ("enum", 5, 23), ("not", 5, 31)]),
        (with_schema("{$ref: '#/$defs/X', $defs: {X: {}}}"), [("$ref", 5, 12)]),
        (with_schema("{$ref: '#/components/schemas/B'}"), [("$ref", 5, 12)]),
        (with_schema("{$ref: '#here', properties: {a: {$ref: '#/components/schemas/A'}}}"), [("$ref", 5, 12)]),
        (with_schema("{properties: {a: {items: {$ref: '#/a/b/c'}}}}"), [("properties/a/items/$ref", 5, 37)]),
    ],
)  # fmt: skip
def test_faults_of_schemas_are_warnings_at_their_own_place(text: str, expected: list[tuple[str, int, int]]):
    assert faults(text) == [(f"/components/schemas/A/{name}", line, column) for name, line, column in expected]


def test_all_faults_are_said_at_once_each_where_it_stands_and_what_would_be_right():
    text = (
        f"{HEAD}paths:\n"
        "  /a: {get: {operationId: same, tags: [A], responses: {200: {description: ok, content: {text/json: {schema:"
        " {$ref: '#/components/schemas/Deep'}}}}}}}\n"
        "  /b: {get: {operationId: same, tags: [A], responses: {2000: {description: ok}}}}\n"
        "components: {schemas: {Deep: {properties: {one: {properties: {two: {exclusiveMinimum: true}}}},\n"
        "  required: [one, one]}}}\n"
    )

    assert [str(each) for each in describe(text).warnings] == [
        'line 5, column 27, /paths/~1b/get/operationId: "same" is the operationId of GET /a, too. Use a unique one.',
        'line 5, column 62, /paths/~1b/get/responses/2000: "2000" is not a status code. '
        "Write one such as 200, 4XX or default.",
        "line 6, column 87, /components/schemas/Deep/properties/one/properties/two/exclusiveMinimum: true. "
        "In OpenAPI 3.1 write the limit itself, exclusiveMinimum: 0, instead of minimum: 0.",
        'line 7, column 19, /components/schemas/Deep/required/1: "one" appears twice. Remove one.',
    ]
    with pytest.raises(BadDocument, match="it has 4 problems") as refused:
        Description.from_data(parse(text), RULES, text=text, strict=True)
    assert len(refused.value.report) == 4


def test_what_the_gateway_needs_comes_first_and_the_rest_is_said_with_it():
    text = f"{HEAD}tags: Shop\npaths:\n  /a: {{get: {{operationId: 7, tags: [1, A]}}}}\n  b: {GET}\n  /c//d: {GET}\n"

    with pytest.raises(BadDocument) as refused:
        describe(text)

    found = [(findings.format_pointer(each.pointer), each.line, each.fatal) for each in refused.value.report]
    assert found == [
        ("/tags", 3, True),
        ("/paths/~1a/get/tags/0", 5, True),
        ("/paths/b", 6, True),
        ("/paths/~1c~1~1d", 7, True),
        ("/paths/~1a/get/operationId", 5, False),
    ]


def test_faults_of_tags_slugs_and_routes_are_said_with_the_rest():
    text = (
        f'{HEAD}tags: [{{name: Pet & store}}, {{name: "…"}}]\npaths:\n'
        "  /a/{x}: {get: {operationId: 7, tags: [Pet & store]}}\n"
        "  /a/{y}: {get: {tags: [pet-store]}}\n"
        "  /b/v{x}: {get: {tags: ['…']}}\n"
        "  /b/{x}n: {get: {tags: [B]}}\n"
        '  /c: {get: {tags: ["a\\u202eb"]}}\n'
        "  d: {}\n"
    )

    with pytest.raises(BadDocument) as refused:
        describe(text)

    assert [str(each) for each in refused.value.report if each.fatal] == [
        'line 3, column 36, /tags/1/name: "…" gives no slug of 1 to 64 letters, digits and hyphens. '
        "Set one in the policy, as in modules: [{tag: ..., slug: ...}].",
        "line 6, column 17, /paths/~1a~1{y}/get: GET /a/{y} of pet-store and GET /a/{x} of Pet & store are equally "
        "specific and could match the same call. Put them into one module, or change one of the paths.",
        'line 6, column 25, /paths/~1a~1{y}/get/tags/0: "pet-store" has the slug pet-store, like "Pet & store". '
        "Set another for one of them in the policy, as in modules: [{tag: ..., slug: ...}].",
        "line 8, column 18, /paths/~1b~1{x}n/get: GET /b/{x}n of B and GET /b/v{x} of … are equally specific and could "
        "match the same call. Put them into one module, or change one of the paths.",
        'line 9, column 21, /paths/~1c/get/tags/0: "a\\u202eb" cannot name a module. '
        "Use one line of at most 200 characters.",
        "line 10, column 6, /paths/d: The path does not begin with /. Add /.",
    ]
    assert [each.pointer[-1] for each in refused.value.report if "in quotes" in each.advice] == ["operationId"]


def test_faults_of_the_policy_are_said_with_those_of_the_document():
    rules = {"modules": [{"tag": "A", "routes": ["GET /nothing"]}]}

    with pytest.raises(BadDescription) as refused:
        describe(f"{HEAD}paths: {{/a: {GET}, b: {GET}}}\n", **rules)
    document, policy = (refused.value.errors[name] for name in ("document", "policy"))
    assert str(document).splitlines()[1:] == ["line 3, column 75, /paths/b: The path does not begin with /. Add /."]
    assert str(policy).splitlines()[1:] == [
        '/modules/0/routes/0: "GET /nothing" is not an operation of the document. '
        "Write METHOD and path as they are there."
    ]
    assert str(refused.value) == f"{document}\n{policy}"
    with pytest.raises(BadPolicy, match="it has 1 problem"):
        describe(f"{HEAD}paths: {{/a: {GET}}}\n", **rules)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.0", "1.0"), ("1", "1"), ("2", "2"), ("0.1", "0.1"), ("1.10", "1.1"), ("1e3", "1000.0"), ("0x10", "16"),
        ("-1", "-1"), ("true", "true"), ("2024.1", "2024.1"),
    ],
)  # fmt: skip
def test_a_version_without_quotes_is_taken_with_advice(version: str, message: str):
    text = f"openapi: 3.0.3\ninfo:\n  title: Crlf\n  version: {version}\npaths: {{/a: {GET}}}\n".replace("\n", "\r\n")

    (found,) = describe(text).warnings

    assert str(found) == f'line 4, column 12, /info/version: {message}. Write it in quotes: "{message}".'


@pytest.mark.parametrize("version", ["2024-05-06", "1.0.0", "v1", "'1.0'", "1_0", "on"])
def test_a_version_that_is_a_text_without_quotes_is_one(version: str):
    assert faults(f"openapi: 3.0.3\ninfo: {{title: A, version: {version}}}\npaths: {{/a: {GET}}}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        '{"swagger":"2.0","info":{"title":"S2","version":"1"},"basePath":"/v2","paths":{}}',
        '{"swagger":"2.0"}', '{"swagger":2.0}', "swagger: '2.0'", "swagger: 2.0", "swagger: 2", "swagger: '2'",
        "swagger: '2.0.1'", "swagger: '2.0'\nopenapi: null", "info: {}\nswagger: '2.0'\npaths: {}",
    ],
)  # fmt: skip
def test_swagger_2_is_told_how_to_be_converted(text: str):
    with pytest.raises(BadDocument, match=r"This is Swagger 2\.0\. Convert it to OpenAPI 3 with npx swagger2openapi"):
        describe(text)


def test_what_the_converter_makes_of_swagger_2_is_imported_under_its_base_path():
    # As swagger2openapi 7.0.8 wrote it.
    text = (
        '{"openapi": "3.0.0", "info": {"title": "S2", "version": "1"}, "paths": {"/pets": {"get": {"tags": ["pets"], '
        '"responses": {"200": {"description": "ok"}}}}}, "servers": [{"url": "//api.example.com/v2"}]}'
    )

    assert [route.text for module in describe(text).modules for route in module.routes] == ["GET /v2/pets"]
    assert faults(text) == []


def test_faults_that_are_alike_are_said_in_full_three_times_and_the_places_of_others_follow():
    text = with_schema("{\n" + ",\n".join(f"  word{n}: 1" for n in range(700)) + ", type: text}")
    with pytest.raises(BadDocument) as refused:
        Description.from_data(parse(text), RULES, text=text, strict=True)

    problem, *lines = str(refused.value).splitlines()
    assert problem == "The document cannot be imported: it has 701 problems."
    assert [line.partition(":")[0] for line in lines[:3]] == [
        f"line {6 + n}, column 10, /components/schemas/A/word{n}" for n in range(3)
    ]
    places = ", ".join(f"{6 + n}:{len(f'  word{n}: ') + 1}" for n in range(3, findings.MAX_ALIKE))
    assert lines[3] == f"and 697 more like these, at line:column {places}, …"
    # Another kind is not crowded out.
    assert lines[4:] == [
        'line 705, column 21, /components/schemas/A/type: "text". '
        "Write one of string, number, integer, boolean, array, object, null."
    ]


def test_references_to_files_are_said_once_for_all():
    schemas = "".join(f"    S{n}: {{$ref: s{n}.yaml}}\n" for n in range(500))
    with pytest.raises(BadDocument) as refused:
        describe(f"{HEAD}paths: {{/a: {GET}}}\ncomponents:\n  schemas:\n{schemas}")

    problem, first, _, third, more = str(refused.value).splitlines()
    assert problem == "The document cannot be imported: it has 500 problems."
    assert first.startswith('line 6, column 16, /components/schemas/S0/$ref: "s0.yaml". References to files and URLs')
    assert third.startswith('line 8, column 16, /components/schemas/S2/$ref: "s2.yaml". References to files and URLs')
    assert more.startswith("and 497 more like these, at line:column 9:16, 10:16, ")
    assert more.endswith(" 55:17, …")


def test_more_kinds_of_faults_than_anyone_reads_are_counted():
    collected = findings.Findings()
    for n in range(700):
        collected.add((str(n),), "It is wrong", f"Write {n}")
        collected.add((str(n),), "It is wrong", f"Write {n}")
    report = collected.build_report()

    assert (len(report), report.total) == (findings.MAX_FINDINGS, 700)
    assert report.list_lines()[-1] == "and 200 of other kinds"


def test_the_places_in_json_and_yaml_are_those_that_editors_show():
    value = {**parse(HEAD), "info": {"title": "A", "version": 1}, "paths": {"/ü": item(GET)}}
    value["components"] = {"schemas": {'a"/~b\n': {"required": ["x", "x"]}}}
    text = json.dumps(value, indent=1)

    version, required = describe(text).warnings

    lines = text.splitlines()
    for each, held in ((version, "1"), (required, '"x"')):
        assert lines[each.line - 1][each.column - 1 :] == held
    assert findings.format_pointer(required.pointer) == '/components/schemas/a"~1~0b\\n/required/1'


def test_more_parameters_and_tags_than_are_used_are_a_warning():
    parameters = [{"name": f"p{n}", "in": "query", "schema": {}} for n in range(600)]
    document = {**parse(HEAD), "paths": {"/a": {"get": {"tags": ["A"] * 101, "parameters": parameters}}}}

    found = describe(json.dumps(document)).warnings

    assert [(each.actual, each.advice) for each in found] == [
        ("More than 500 parameters", "Only the first 500 are used"),
        ("More than 100 tags", "Only the first 100 are used"),
    ]


def test_what_an_alias_stands_for_has_the_place_of_the_alias():
    text = f"{HEAD}paths: {{/a: {GET}}}\ncomponents:\n  schemas:\n    A: &a {{type: text}}\n    B: {{items: *a}}\n"

    # What both share is looked at once.
    ((_, line, column),) = faults(text)
    assert (line, column) in {(6, 18), (7, 16)}
