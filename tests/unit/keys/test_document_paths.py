"""Paths of documents with fragments and queries become routes and conditions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keys.apis.description import Description
from keys.apis.yaml_loader import parse
from keys.docs.abilities import get_abilities
from keys.docs.documentation import describe_document
from keys.docs.page import describe_modules
from tests.unit.keys.documents import HEAD, POST, RULES, describe, faults, item

X = {"name": "x", "in": "path", "required": True, "schema": {}}


def routes(text: str, **rules: Any) -> dict[str, str]:
    return {route.text: module.slug for module in describe(text, **rules).modules for route in module.routes}


@pytest.mark.parametrize(
    ("paths", "expected", "warned"),
    [
        (["/tokens", "/tokens#refresh"], ["POST /tokens"], ["/tokens#refresh"]),
        (["/tokens#refresh", "/tokens"], ["POST /tokens"], ["/tokens"]),
        (["/tokens#a", "/tokens#b", "/tokens#c"], ["POST /tokens"], ["/tokens#b", "/tokens#c"]),
        (["/tokens#a"], ["POST /tokens"], []),
        (["/tokens#"], ["POST /tokens"], []),
        (["/a/{x}#one", "/a/{x}#two"], ["POST /a/{x}"], ["/a/{x}#two"]),
        (["/a", "/a#b#c", "/a#?d=1"], ["POST /a"], ["/a#b#c", "/a#?d=1"]),
        (["/a#b/c", "/a/c"], ["POST /a", "POST /a/c"], []),
        (["/a", "/a#b//c%"], ["POST /a"], ["/a#b//c%"]),
        (["/a?b=1", "/a?b=1#c"], ["POST /a?b=1"], ["/a?b=1#c"]),
    ],
)
def test_paths_that_differ_in_their_fragment_are_one_route(paths: list[str], expected: list[str], warned: list[str]):
    items = {path: item(POST) for path in paths}
    items = {path: {**each, "parameters": [X]} if "{x}" in path else each for path, each in items.items()}
    text = json.dumps({**parse(HEAD), "paths": items})

    assert routes(text) == dict.fromkeys(expected, "auth")
    found = describe(text).warnings
    assert [each.pointer for each in found] == [("paths", path, "post") for path in warned]
    assert all("the part after # is never sent" in each.advice for each in found)


def test_a_policy_names_a_route_without_its_fragment():
    text = f'{HEAD}paths:\n  /tokens: {POST}\n  "/tokens#refresh": {POST}\n'

    assert routes(text, modules=[{"tag": "Auth", "routes": ["POST /tokens"]}]) == {"POST /tokens": "auth"}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/v1/responses?beta=true"], ["POST /v1/responses?beta=true"]),
        (["/r", "/r?beta=true"], ["POST /r", "POST /r?beta=true"]),
        (["/?Action=ListUsers", "/?Action=GetUser"], ["POST /?Action=GetUser", "POST /?Action=ListUsers"]),
        (["/r?b=2&a=1"], ["POST /r?a=1&b=2"]),
        (["/r?beta"], ["POST /r?beta="]),
        (["/r?beta="], ["POST /r?beta="]),
        (["/r?name=a%20b"], ["POST /r?name=a b"]),
        (["/r?name=%C3%BC"], ["POST /r?name=ü"]),
        (["/r?a%2Fb=1"], ["POST /r?a/b=1"]),
        (["/{x}?beta=true", "/{x}"], ["POST /{x}", "POST /{x}?beta=true"]),
    ],
)
def test_a_query_in_a_path_becomes_conditions(paths: list[str], expected: list[str]):
    items = {path: item(POST) for path in paths}
    items = {path: {**each, "parameters": [X]} if "{x}" in path else each for path, each in items.items()}
    text = json.dumps({**parse(HEAD), "paths": items})

    assert sorted(routes(text)) == expected
    assert faults(text) == []


@pytest.mark.parametrize(
    ("paths", "expected", "warned"),
    [
        (["/weather?city={city}"], ["POST /weather"], []),
        (["/weather?city={city}&country={country}"], ["POST /weather"], []),
        (["/weather?city={c}", "/weather?lat={lat}&lon={lon}"], ["POST /weather"], ["/weather?lat={lat}&lon={lon}"]),
        (["/weather", "/weather?a={b}", "/weather?c={d}"], ["POST /weather"], ["/weather?a={b}", "/weather?c={d}"]),
        (["/weather?city={city}", "/weather"], ["POST /weather"], ["/weather"]),
        (["/weather?city={city}#now", "/weather"], ["POST /weather"], ["/weather"]),
        (["/r?beta=true&since={since}"], ["POST /r?beta=true"], []),
        (["/r?since={since}&beta=true", "/r?beta=true"], ["POST /r?beta=true"], ["/r?beta=true"]),
        (["/r?beta=true&since={since}", "/r?since={since}"], ["POST /r", "POST /r?beta=true"], []),
        (["/users/{x}/picture?key={key}"], ["POST /users/{x}/picture"], []),
        (["/r/?q={query}"], ["POST /r/"], []),
    ],
)  # fmt: skip
def test_a_query_parameter_of_any_value_is_no_condition(paths: list[str], expected: list[str], warned: list[str]):
    items = {path: {**item(POST), "parameters": [X] if "{x}" in path else []} for path in paths}
    text = json.dumps({**parse(HEAD), "paths": items})

    assert sorted(routes(text)) == expected
    found = describe(text).warnings
    assert [each.pointer for each in found] == [("paths", path, "post") for path in warned]
    assert all("the part after # is never sent" in each.advice or "with any value" in each.advice for each in found)


def test_a_variable_of_a_query_may_be_described_as_one_of_the_path_or_of_the_query():
    described = [{**X, "name": "city"}, {"name": "lat", "in": "query", "schema": {}}]
    paths = {"/a?city={city}&lat={lat}": {**item(POST), "parameters": described}}

    assert faults(json.dumps({**parse(HEAD), "paths": paths})) == []


def test_a_policy_names_a_route_with_the_query_of_its_path():
    text = f'{HEAD}tags: [{{name: Beta}}]\npaths:\n  /r: {POST}\n  "/r?beta=true": {POST}\n'
    rules = [{"tag": "Beta", "routes": ["POST /r?beta=true"]}, {"tag": "Auth", "routes": ["POST /r"]}]

    assert routes(text, modules=rules) == {"POST /r?beta=true": "beta", "POST /r": "auth"}


def test_a_page_tells_the_operation_of_each_query_apart():
    document = {**parse(HEAD), "paths": {"/r": item(POST), "/r?beta=true": item(POST)}}
    document["paths"]["/r"]["post"]["summary"] = "Plain"
    document["paths"]["/r?beta=true"]["post"]["summary"] = "Beta"
    described = Description.from_data(document, RULES)

    (module,) = describe_modules(describe_document(document), described.modules, recordings=False)

    assert {each.route.text: each.summary for each in module.routes} == {
        "POST /r": "Plain",
        "POST /r?beta=true": "Beta",
    }
    assert get_abilities(describe_document(document), described.modules)["auth"].operations == ("Plain", "Beta")
