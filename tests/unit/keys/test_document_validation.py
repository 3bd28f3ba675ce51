"""What the rules for documents see, and that nothing that they let through makes a page stumble."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from keys.apis import document_check
from keys.apis.description import Description
from keys.apis.document import BadDocument
from keys.apis.yaml_loader import parse
from keys.docs.abilities import get_abilities
from keys.docs.documentation import describe_document
from keys.docs.page import build_first_call, describe_modules, get_request_link
from tests.unit.keys.documents import HEAD, RULES

SHOP = json.loads(
    json.dumps(
        parse(
            HEAD
            + """
servers: [{url: "https://{host}/v1", variables: {host: {default: a.example}}}]
tags: [{name: A, description: All}]
security: [{key: []}]
paths:
  /a/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, enum: [a], default: a}}]
    post:
      tags: [A]
      summary: Add
      parameters: [{name: q, in: query, content: {application/json: {schema: {type: [string, "null"]}}}}]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Job"}}}}
      responses: {"200": {$ref: "#/components/responses/Ok"}}
components:
  securitySchemes: {key: {type: http, scheme: bearer}}
  responses:
    Ok:
      description: ok
      headers: {X-A: {schema: {type: string}}}
      content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Job"}}}}
  schemas:
    Job:
      allOf: [{type: object, required: [one], properties: {one: {type: string, readOnly: true}, two: {const: 1}}}]
"""
        )
    )
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*place, name)
        yield from _places(item, (*place, name))


@pytest.mark.parametrize("wrong", [None, 7, "text", [], {}, [None], {"a": None}, {"$ref": "#/nowhere"}], ids=repr)
def test_whatever_stands_anywhere_is_refused_or_shown(wrong: Any):
    """No value at any place makes the import or a page stumble."""
    shown = 0
    for place in _places(SHOP):
        document = copy.deepcopy(SHOP)
        holder = document
        for name in place[:-1]:
            holder = holder[name]
        holder[place[-1]] = wrong
        try:
            described = Description.from_data(document, RULES)
        except BadDocument:
            continue
        shown += 1
        modules = describe_modules(describe_document(document), described.modules, recordings=False)
        assert sum(module.total for module in modules) > 0
        documentation = describe_document(document)
        link = get_request_link(documentation.server, described.policy, "")
        assert build_first_call(documentation, described.modules, link).url.startswith(link.host)
        assert get_abilities(describe_document(document), described.modules)
    assert shown > 20


@pytest.mark.slow
def test_the_rules_see_what_the_published_schema_of_openapi_sees():
    """Of every value replaced by one of another kind, what openapi-spec-validator refuses is said here too."""
    from openapi_spec_validator import OpenAPIV30SpecValidator

    validator = OpenAPIV30SpecValidator.schema_validator
    sound = {**copy.deepcopy(SHOP), "openapi": "3.0.3"}
    del sound["paths"]["/a/{id}"]["post"]["parameters"][0]["content"]["application/json"]["schema"]["type"]
    sound["components"]["schemas"]["Job"]["allOf"][0]["properties"]["two"] = {"type": "integer"}
    assert not list(validator.iter_errors(sound))
    missed, seen = [], 0
    for place in _places(sound):
        document = copy.deepcopy(sound)
        holder = document
        for name in place[:-1]:
            holder = holder[name]
        holder[place[-1]] = 7 if isinstance(holder[place[-1]], (dict, list, str)) else "text"
        if not next(validator.iter_errors(document), None):
            continue
        seen += 1
        try:
            found = list(document_check.check_document(document))
        except BadDocument:
            continue
        missed += [] if found else [place]
    assert missed == []
    assert seen > 40
