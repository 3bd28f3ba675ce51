"""Small documents on which imports of other products failed, and ten variants of each, with what is right for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keys.apis.description import Description
from keys.apis.document import BadDocument
from keys.apis.findings import format_pointer
from keys.apis.yaml_loader import parse
from tests.unit.keys import test_api_patterns, test_document_findings, test_document_paths
from tests.unit.keys.documents import HEAD, RULES, describe, faults

pytestmark = pytest.mark.quality(32)
HEAD_30 = HEAD.replace("3.1.0", "3.0.3")
ANSWERS = 'responses: {"200": {description: ok}}'


def body(schema: str, rest: str = "") -> str:
    """Return a path with a body of that schema, whose own text begins in line 4, column 5."""
    content = f"requestBody: {{content: {{application/json: {{schema:\n    {schema}}}}}}}"
    return f"paths: {{/a: {{post: {{tags: [A], {ANSWERS}, {content}}}}}}}\n{rest}"


def warned(text: str) -> list[tuple[str, int, int, str]]:
    """(last names of the pointer, line, column, advice) of every warning."""
    found = describe(text).warnings
    return [("/".join(each.pointer[7:]), each.line, each.column, each.advice) for each in found]


@pytest.mark.parametrize(
    ("head", "schema", "pointer", "column", "advice"),
    [
        (HEAD, "{minimum: 0, exclusiveMinimum: true}", "exclusiveMinimum", 36, "0, instead of minimum"),
        (HEAD, "{minimum: 0, exclusiveMinimum: false}", "exclusiveMinimum", 36, "0, instead of minimum"),
        (HEAD, "{maximum: 9, exclusiveMaximum: true}", "exclusiveMaximum", 36, "0, instead of maximum"),
        (HEAD, "{exclusiveMaximum: 'true'}", "exclusiveMaximum", 24, "exclusiveMaximum: 0"),
        (HEAD, "{properties: {a: {exclusiveMinimum: true}}}", "properties/a/exclusiveMinimum", 41, "In OpenAPI 3.1"),
        (HEAD, "{items: {exclusiveMinimum: true}}", "items/exclusiveMinimum", 32, "In OpenAPI 3.1"),
        (HEAD, "{allOf: [{}, {exclusiveMinimum: true}]}", "allOf/1/exclusiveMinimum", 37, "In OpenAPI 3.1"),
        (HEAD, "{additionalProperties: {exclusiveMinimum: true}}", "additionalProperties/exclusiveMinimum", 47, "3.1"),
        (HEAD, "{$defs: {A: {exclusiveMinimum: true}}}", "$defs/A/exclusiveMinimum", 36, "In OpenAPI 3.1"),
        (HEAD_30, "{exclusiveMinimum: 0}", "exclusiveMinimum", 24, "and exclusiveMinimum: true"),
        (HEAD_30, "{exclusiveMaximum: 1.5}", "exclusiveMaximum", 24, "write maximum with the number"),
        (HEAD_30, "{not: {exclusiveMaximum: 9}}", "not/exclusiveMaximum", 30, "In OpenAPI 3.0"),
    ],
)  # fmt: skip
def test_a_limit_as_the_other_version_writes_it_is_a_warning(
    head: str, schema: str, pointer: str, column: int, advice: str
) -> None:
    ((place, line, at, message),) = warned(head + body(schema))

    assert (place, line, at) == (pointer, 4, column)
    assert advice in message


@pytest.mark.parametrize("schema", ["{minimum: 0, exclusiveMinimum: true}", "{exclusiveMaximum: false}"])
def test_a_limit_as_this_version_writes_it_is_none(schema: str) -> None:
    assert faults(HEAD_30 + body(schema)) == []
    assert faults(HEAD + body("{exclusiveMinimum: 0, exclusiveMaximum: 1.5}")) == []


def operations(*named: tuple[str, str, str]) -> str:
    """One of each (path, method, operationId), in lines from 4 on, each operationId in column 40."""
    lines = (
        f"  {path}: {{{method}: {{tags: [{path[1:2]}],".ljust(26) + f"operationId: {name}}}}}\n"
        for path, method, name in named
    )
    return f"{HEAD}paths:\n{''.join(lines)}"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([("/n", "get", "List"), ("/w/n", "get", "List")], [("/paths/~1w~1n/get/operationId", 5, "GET /n")]),
        ([("/n", "get", "'List'"), ("/w", "put", "List")], [("/paths/~1w/put/operationId", 5, "GET /n")]),
        ([("/a", "get", "X"), ("/b", "get", "Y"), ("/c", "get", "X")], [("/paths/~1c/get/operationId", 6, "GET /a")]),
        ([("/a", "get", "X"), ("/b", "get", "X"), ("/c", "get", "X")],
         [("/paths/~1b/get/operationId", 5, "GET /a"), ("/paths/~1c/get/operationId", 6, "GET /a")]),
        ([("/a", "get", "X"), ("/b", "get", "Y"), ("/c", "put", "Y"), ("/d", "put", "X")],
         [("/paths/~1c/put/operationId", 6, "GET /b"), ("/paths/~1d/put/operationId", 7, "GET /a")]),
        ([("/a", "head", "X"), ("/b", "trace", "X")], [("/paths/~1b/trace/operationId", 5, "GET /a")]),
        ([("/a#b", "get", "X"), ("/c", "get", "X")], [("/paths/~1c/get/operationId", 5, "GET /a#b")]),
        ([("/a?b=1", "get", "X"), ("/a", "get", "X")], [("/paths/~1a/get/operationId", 5, "GET /a?b=1")]),
        ([("/a", "get", "''"), ("/b", "get", "''")], [("/paths/~1b/get/operationId", 5, "GET /a")]),
        ([("/a", "get", "ü"), ("/b", "get", '"\\u00fc"')], [("/paths/~1b/get/operationId", 5, "GET /a")]),
        # These differ.
        ([("/a", "get", "X"), ("/b", "get", "x")], []),
        ([("/a", "get", "X"), ("/b", "get", "X_1")], []),
    ],
)  # fmt: skip
def test_an_operation_id_that_another_operation_has_is_a_warning(named: Any, expected: Any) -> None:
    described = describe(operations(*named))

    assert [(format_pointer(each.pointer), each.line, each.column) for each in described.warnings] == [
        (pointer, line, 40) for pointer, line, _ in expected
    ]
    for each, (_, _, other) in zip(described.warnings, expected, strict=True):
        assert each.actual.endswith(f" is the operationId of {other}, too")
    assert sum(len(module.routes) for module in described.modules) == len(named)


@pytest.mark.parametrize(
    ("status", "right"),
    [
        ("200", True), ("'200'", True), ("404", True), ("4XX", True), ("default", True), ("599", True), ("'1XX'", True),
        ("0x1F4", False), ("20", False), ("2000", False), ("600", False), ("ok", False), ("4xx", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["1.0", "2", "2024"])
def test_a_status_and_a_version_without_quotes_are_taken(status: str, right: bool, version: str) -> None:
    text = (
        f"openapi: 3.0.3\ninfo:\n  title: A\n  version: {version}\n"
        f"paths:\n  /a:\n    get:\n      tags: [A]\n      responses:\n        {status}:\n          description: ok\n"
    )
    found = [(format_pointer(each.pointer), each.line, each.advice) for each in describe(text).warnings]

    assert found[0] == ("/info/version", 4, f'Write it in quotes: "{version}"')
    # The text of the file is the name, whatever YAML could take it for.
    place = f"/paths/~1a/get/responses/{status.strip(chr(39))}"
    assert found[1:] == ([] if right else [(place, 11, "Write one such as 200, 4XX or default")])


REFERENCES = [
    ("{$defs: {X: {}}, properties: {x: {$ref: '#/$defs/X'}}}", "properties/x/$ref", 45, "there is no '$defs'"),
    ("{definitions: {X: {}}, items: {$ref: '#/definitions/X'}}", "items/$ref", 42, "there is no 'definitions'"),
    ("{$defs: {X: {}}, $ref: '#/$defs/X'}", "$ref", 28, "there is no '$defs'"),
    ("{allOf: [{$ref: '#/components/schemas/Y'}]}", "allOf/0/$ref", 21, "there is no 'schemas'"),
    ("{anyOf: [{}, {$ref: '#/paths/~1b'}]}", "anyOf/1/$ref", 25, "there is no '/b'"),
    ("{not: {$ref: '#/paths/a'}}", "not/$ref", 18, "there is no 'a'"),
    ("{additionalProperties: {$ref: '#/info/name'}}", "additionalProperties/$ref", 35, "there is no 'name'"),
    ("{$anchor: here, items: {$ref: '#here'}}", "items/$ref", 35, "does not refer to a place"),
    ("{properties: {a: {$ref: '#/components/schemas/'}}}", "properties/a/$ref", 29, "there is no 'schemas'"),
    ("{prefixItems: [{$ref: '#/paths/~1a/post/requestBody/content/text'}]}", "prefixItems/0/$ref", 27, "no 'text'"),
    ("{if: {$ref: '#/tags/0'}}", "if/$ref", 17, "there is no 'tags'"),
    ("{$dynamicRef: '#/$defs/X/Y'}", "", 0, ""),
]


@pytest.mark.parametrize(("schema", "pointer", "column", "advice"), REFERENCES)
def test_a_reference_that_leads_nowhere_is_a_warning_at_its_place(
    schema: str, pointer: str, column: int, advice: str
) -> None:
    found = warned(HEAD + body(schema, "components: {}\n"))

    # What is dynamic is not followed.
    assert [(place, line, at) for place, line, at, _ in found] == ([(pointer, 4, column)] if pointer else [])
    assert all(advice in message and "#/components/schemas/A" in message for *_, message in found)


def test_a_reference_from_the_root_into_a_schema_is_right() -> None:
    place = "#/paths/~1a/post/requestBody/content/application~1json/schema/$defs/X"
    schema = f"{{$defs: {{X: {{type: string}}}}, properties: {{x: {{$ref: '{place}'}}}}}}"

    assert faults(HEAD + body(schema)) == []


FAULTS = {
    "operationId": "  /z{n}: {{get: {{operationId: same, tags: [A]}}}}\n",
    "maximum": "  /y{n}: {{get: {{parameters: [{{in: query, name: q, schema: {{maximum: true}}}}]}}}}\n",
    "required/1": "  /x{n}: {{get: {{parameters: [{{name: q, in: query, schema: {{required: [a, a]}}}}]}}}}\n",
    "type": "  /w{n}: {{get: {{tags: [A], parameters: [{{name: q, in: query, schema: {{type: text}}}}]}}}}\n",
    "responses/2000": "  /v{n}: {{get: {{tags: [A], responses: {{2000: {{description: ok}}}}}}}}\n",
    "summary": "  /u{n}: {{get: {{tags: [A], summary: 7}}}}\n",
    "$ref": "  /t{n}: {{get: {{tags: [A], requestBody: {{$ref: '#/components/requestBodies/R'}}}}}}\n",
    "security/0/none": "  /s{n}: {{get: {{tags: [A], security: [{{none: []}}]}}}}\n",
    "in": "  /r{n}: {{get: {{tags: [A], parameters: [{{name: q, in: body, schema: {{}}}}]}}}}\n",
    "summry": "  /q{n}: {{get: {{tags: [A], summry: a}}}}\n",
    "get": "  /p{n}/{{x}}: {{get: {{tags: [A]}}}}\n",
    # Fatal ones.
    "tags": "  /o{n}: {{get: {{tags: A}}}}\n",
    "m": "  m{n}: {{}}\n",
}


@pytest.mark.parametrize(
    "kinds",
    [
        ["operationId", "maximum", "required/1"], ["type", "responses/2000"], ["summary", "$ref", "in"],
        ["security/0/none", "summry", "get", "type"], ["tags", "operationId"], ["m", "maximum", "$ref"],
        ["tags", "m"], ["required/1"] * 3, ["operationId"] * 4, ["in", "tags", "in", "m", "in"], list(FAULTS),
        [kind for kind in FAULTS if kind not in ("tags", "m")] * 3,
    ],
    ids=lambda kinds: f"{len(kinds)} of {len(set(kinds))}",
)  # fmt: skip
def test_all_faults_are_told_in_one_run_in_the_order_of_the_text(kinds: list[str]) -> None:
    text = HEAD + "paths:\n  /a: {get: {operationId: same, tags: [A]}}\n"
    expected = []
    for line, kind in enumerate(kinds, start=5):
        text += FAULTS[kind].format(n=line)
        expected.append((kind not in ("tags", "m"), line, kind if kind != "m" else f"m{line}"))
    with pytest.raises(BadDocument) as refused:
        Description.from_data(parse(text), RULES, text=text, strict=True)

    found = [
        (not each.fatal, each.line, "/".join(each.pointer[-kind.count("/") - 1 :]))
        for each, (_, _, kind) in zip(refused.value.report, sorted(expected), strict=True)
    ]
    assert found == sorted(expected)
    if all(warning for warning, _, _ in expected):
        assert len(describe(text).warnings) == len(kinds)


@pytest.mark.parametrize(
    ("paths", "routes", "expected"),
    [
        (["/t", "/t#r"], ["POST /t"], ["POST /t"]),
        (["/t#r", "/t"], ["POST /t"], ["POST /t"]),
        (["/t#a", "/t#b"], ["POST /t"], ["POST /t"]),
        (["/t", "/t#r"], ["POST  /t"], ["POST /t"]),
        (["/t", "/t#r", "/u#r"], ["POST /t", "POST /u"], ["POST /t", "POST /u"]),
        (["/t#", "/u"], ["* /t", "POST /u"], ["POST /t", "POST /u"]),
        (["/t?a=1#r", "/t"], ["POST /t?a=1", "POST /t"], ["POST /t", "POST /t?a=1"]),
        (["/t?a={a}", "/t#r"], ["POST /t"], ["POST /t"]),
        (["/t", "/t#r"], ["POST *"], ["POST /t"]),
        (["/t#/u", "/t#/v"], ["POST /t*"], ["POST /t"]),
        (["/t", "/t#r", "/o"], ["POST /t"], ["POST /t"]),
    ],
)
def test_a_policy_names_a_route_of_variants_once(paths: list[str], routes: list[str], expected: list[str]) -> None:
    listed = "".join(f'  "{path}": {{post: {{tags: [{path[1]}], {ANSWERS}}}}}\n' for path in paths)
    found = describe(f"{HEAD}paths:\n{listed}", modules=[{"tag": "Auth", "routes": routes}]).modules

    (auth,) = (module for module in found if module.slug == "auth")
    assert sorted(route.text for route in auth.routes) == expected
    assert [module.slug for module in found if module.slug != "auth"] == (["o"] if "/o" in paths else [])


@pytest.mark.parametrize(
    ("charges", "refunds"),
    [
        (["GET /v1/charges", "POST /v1/charges"], ["GET /v1/refunds", "POST /v1/refunds"]),
        (["* /v1/charges"], ["* /v1/refunds"]),
        (["* /v1/charges*"], ["* /v1/refunds*"]),
        (["* /v1/c*"], ["* *"]),
        (["* *charges"], ["* *refunds"]),
        (["GET /v1/charges", "* /v1/ch*"], ["GET /v1/refunds", "* /v1/re*"]),
        (["*/charges"], ["*/refunds"]),
        (["* /*/charges"], ["GET *", "POST *"]),
        (["GET /v1/charges", "POST /v1/charges"], ["* *"]),
        (["POST *charges", "GET *charges"], ["POST *", "GET *"]),
        (["  GET   /v1/charges", "POST /v1/charges "], ["* /v1/refunds"]),
    ],
)
def test_a_policy_makes_modules_of_a_document_without_tags(charges: list[str], refunds: list[str]) -> None:
    paths = "".join(f"  /v1/{name}: {{get: {{{ANSWERS}}}, post: {{{ANSWERS}}}}}\n" for name in ("charges", "refunds"))
    rules = [{"tag": "Charges", "routes": charges}, {"tag": "Refunds", "routes": refunds}]

    found = describe(f"{HEAD_30}paths:\n{paths}", modules=rules)

    assert {module.slug: sorted(route.text for route in module.routes) for module in found.modules} == {
        name: [f"GET /v1/{name}", f"POST /v1/{name}"] for name in ("charges", "refunds")
    }
    assert found.warnings.total == 0
    # Without a policy that says so, all are one module.
    (other,) = describe(f"{HEAD_30}paths:\n{paths}").modules
    assert (other.slug, len(other.routes)) == ("other", 4)


# By the name of the case what tests its kind.
KINDS: dict[str, Callable[..., None]] = {
    "c01": test_document_paths.test_paths_that_differ_in_their_fragment_are_one_route,
    "c01, with queries": test_document_paths.test_a_query_in_a_path_becomes_conditions,
    "c03": test_a_limit_as_the_other_version_writes_it_is_a_warning,
    "c05": test_an_operation_id_that_another_operation_has_is_a_warning,
    "c14": test_document_findings.test_swagger_2_is_told_how_to_be_converted,
    "c21, versions": test_document_findings.test_a_version_without_quotes_is_taken_with_advice,
    "c21, statuses": test_a_status_and_a_version_without_quotes_are_taken,
    "c28": test_document_findings.test_a_reference_in_data_is_data,
    "c30": test_a_reference_that_leads_nowhere_is_a_warning_at_its_place,
    "c34": test_all_faults_are_told_in_one_run_in_the_order_of_the_text,
    "c35": test_api_patterns.test_modules_are_proposed_by_path_and_the_policy_with_them_is_what_they_say,
    "pol-frag": test_a_policy_names_a_route_of_variants_once,
    "pol-notags": test_a_policy_makes_modules_of_a_document_without_tags,
}


def count_variants(test: Callable[..., None]) -> int:
    count = 1
    for mark in getattr(test, "pytestmark", ()):
        count *= len(mark.args[1]) if mark.name == "parametrize" else 1
    return count


def test_each_kind_of_fault_is_tested_in_ten_variants(figure: Callable[[str], None]) -> None:
    counts = {kind: count_variants(test) for kind, test in KINDS.items()}

    assert {kind: count for kind, count in counts.items() if count < 10} == {}
    figure(
        f"{len(counts)} kinds of documents that others refuse, {sum(counts.values())} variants, each as it should be"
    )
