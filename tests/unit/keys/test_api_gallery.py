"""The gallery of docs/apis.md: APIs of well-known kinds in small, each imported with the page's policy, and judged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from keys.apis import yaml_loader
from keys.apis.description import Description
from keys.decision.routes import Route, RouteTable
from tests.unit.keys.documents import RULES, a_document, operation

PAGE = Path("docs/apis.md").read_text(encoding="utf-8")
ACTION = {"name": "Action", "in": "query", "schema": {"type": "string", "enum": ["Describe", "Start", "Stop"]}}


def untagged(*methods: str) -> dict[str, Any]:
    return {method: operation() for method in methods}


def tagged(tag: str, *methods: str) -> dict[str, Any]:
    return {method: operation(tag) for method in methods}


DOCUMENTS = {
    "Stripe-like": a_document(
        {
            "/v1/charges": untagged("get", "post"),
            "/v1/charges/{id}": untagged("get", "post"),
            "/v1/refunds": untagged("get", "post"),
            "/v1/test_helpers/clocks": untagged("post"),
        }
    ),
    "GitHub-like": a_document(
        {
            "/repos/{owner}/{repo}": tagged("repos", "get", "delete"),
            "/repos/{owner}/{repo}/contents/{path}": tagged("repos", "get", "put"),
            "/user/codespaces": tagged("codespaces", "get"),
        }
    ),
    "Box-like": a_document(
        {
            "/oauth2/token": tagged("Authorization", "post"),
            "/oauth2/token#refresh": tagged("Authorization", "post"),
            "/files/{file_id}": tagged("Files", "get", "put"),
            "/files/{file_id}#add_shared_link": tagged("Shared links", "put"),
        }
    ),
    "AWS-query-like": a_document({"/": {"get": operation(parameters=[ACTION])}}),
}
# By kind of API, calls and the module that each is of; None where no key may make it.
CALLS = {
    "Stripe-like": {
        "GET /v1/charges": "charges",
        "POST /v1/charges/ch_1": "charges",
        "POST /v1/refunds": "refunds",
        "POST /v1/test_helpers/clocks": None,
    },
    "GitHub-like": {
        "GET /repos/a/b": "reading",
        "DELETE /repos/a/b": None,
        "PUT /repos/a/b/contents/src%2Fmain.py": "writing",
        "GET /user/codespaces": None,
    },
    "Box-like": {"PUT /files/1": "files", "GET /files/1": "files", "POST /oauth2/token": None},
    "AWS-query-like": {
        "GET /?Action=Describe": "reading",
        "GET /?Action=Stop": "operating",
        "GET /?Action=Terminate": "other",
        "GET /": "other",
        "POST /?Action=Stop": None,
    },
}


def policy_of(kind: str) -> dict[str, Any]:
    found = re.search(rf"\*\*{kind}\*\*.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found, kind
    return {**RULES, **yaml_loader.parse(found[1])}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_each_is_imported_and_judged_as_the_page_says(kind: str):
    found = Description.from_data(DOCUMENTS[kind], policy_of(kind))
    routes = [
        Route(number, module.slug, *route[:2], conditions=tuple(sorted(route.conditions.items())))
        for number, module in enumerate(found.modules)
        for route in module.routes
    ]
    table = RouteTable(routes, found.policy.encoded_slash)
    for call, module in CALLS[kind].items():
        method, _, target = call.partition(" ")
        path, _, query = target.partition("?")
        taken = table.match(method, path, query)
        assert (taken and taken.module) == module, call
        assert "%2F" not in path or table.accepts_encoded_slash(method, path, query)
