"""Patterns in policies: modules by path, operations that are left out, and modules proposed where there are no tags."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.apis.patterns import matches
from keys.apis.policy_parsing import BadPolicy
from keys.apis.proposal import format_proposal, propose_modules, render_with_proposal
from tests.parsing import parse_bytes
from tests.unit.keys.documents import a_document, described, modules, operation

BOTH = {"get": operation(), "post": operation()}


def getting(*paths: str) -> dict[str, Any]:
    return {path: {"get": operation()} for path in paths}


NO_TAGS = a_document({"/v1/charges": BOTH, "/v1/refunds": BOTH})
TAGGED = a_document(
    {
        "/users": {"get": operation("Users"), "post": operation("Users", "Beta")},
        "/users/{id}": {"get": operation("Users"), "delete": operation("Users")},
        "/internal/health": {"get": operation("Internal")},
        "/internal/a/b": {"get": operation("Internal")},
    }
)


@given(st.text("a*/[?", max_size=8), st.text("a/[?", max_size=12))
def test_a_star_is_the_only_wildcard(pattern: str, text: str):
    escaped = pattern.replace("[", "[[]").replace("?", "[?]")
    assert matches(pattern, text) is fnmatchcase(text, escaped)


def test_no_pattern_takes_long():
    began = time.process_time()
    assert not matches("*a" * 90 + "b", "a" * 500)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # As a policy names routes of a document without tags.
        (
            [
                {"tag": "Charges", "routes": ["GET /v1/charges", "POST /v1/charges"]},
                {"tag": "Refunds", "routes": ["GET /v1/refunds", "POST /v1/refunds"]},
            ],
            {
                "charges": ["GET /v1/charges", "POST /v1/charges"],
                "refunds": ["GET /v1/refunds", "POST /v1/refunds"],
            },
        ),
        # The first pattern counts, a whole name before all of them, and Other has what is left.
        (
            [{"tag": "Reading", "routes": ["GET *"]}, {"tag": "Refunds", "routes": ["GET /v1/refunds", "* /v1/r*"]}],
            {
                "reading": ["GET /v1/charges"],
                "refunds": ["GET /v1/refunds", "POST /v1/refunds"],
                "other": ["POST /v1/charges"],
            },
        ),
    ],
)
def test_modules_are_made_of_routes_by_name_and_by_pattern(rules: list[Any], expected: dict[str, list[str]]):
    assert modules(NO_TAGS, modules=rules) == expected


def test_a_pattern_takes_operations_from_their_tags():
    assert modules(TAGGED, modules=[{"tag": "Deleting", "slug": "gone", "routes": ["DELETE *"]}]) == {
        "users": ["GET /users", "POST /users", "GET /users/{id}"],
        "internal": ["GET /internal/health", "GET /internal/a/b"],
        "gone": ["DELETE /users/{id}"],
    }


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ([{"tag": "A", "routes": ["* /v2/*"]}], '/modules/0/routes/0: "* /v2/*" matches no operation of the document'),
        ([{"tag": "A", "routes": ["/v1/*"]}], '"/v1/*" matches no operation of the document. Write METHOD and path'),
        (
            [{"tag": "A", "routes": ["* *"]}, {"tag": "B", "routes": ["GET *"]}],
            '/modules/1/routes/0: "GET *" matches only operations that earlier routes include',
        ),
        (
            [{"tag": "Charges"}],
            '"Charges" is not in the document. Use one such as Other, or give the module its own routes',
        ),
        (
            [{"tag": "A", "routes": ["GET /v1/charges"]}, {"tag": "B", "routes": ["GET /v1/charges"]}],
            "are equally specific and could match the same call",
        ),
    ],
)
def test_routes_that_make_no_module_are_refused(rules: list[Any], named: str):
    with pytest.raises(ValueError, match=re.escape(named)):
        described(NO_TAGS, modules=rules)


@pytest.mark.parametrize(
    ("leave_out", "expected"),
    [
        ({"paths": ["/internal/*"]}, {"users": ["GET /users", "POST /users", "GET /users/{id}", "DELETE /users/{id}"]}),
        (
            {"tags": ["Bet?", "Beta"], "operations": ["DELETE *"]},
            None,
        ),
        (
            {"tags": ["Beta"], "operations": ["DELETE *", "GET */health"]},
            {"users": ["GET /users", "GET /users/{id}"], "internal": ["GET /internal/a/b"]},
        ),
        ({"tags": ["Int*"], "paths": ["/users/{id}"]}, {"users": ["GET /users", "POST /users"]}),
    ],
)
def test_paths_tags_and_operations_are_left_out_by_pattern(leave_out: Any, expected: Any):
    if expected is None:
        with pytest.raises(BadPolicy, match=re.escape('/leave_out/tags/0: "Bet?" matches nothing')):
            modules(TAGGED, leave_out=leave_out)
    else:
        assert modules(TAGGED, leave_out=leave_out) == expected


@pytest.mark.parametrize(
    ("leave_out", "named"),
    [
        (["/internal/*"], "/leave_out: a list. Write leave_out: a mapping with paths, tags, operations"),
        ({"path": ["/x"]}, '/leave_out/path: "path" is unknown in leave_out. Write paths'),
        ({"paths": "/x"}, '/leave_out/paths: "/x". Write a list of strings'),
        ({"paths": ["/x"]}, '/leave_out/paths/0: "/x" matches nothing in the document'),
        ({"operations": ["*"]}, "/leave_out: It leaves no operation"),
    ],
)
def test_what_leaves_nothing_out_or_everything_is_refused(leave_out: Any, named: str):
    with pytest.raises(BadPolicy, match=re.escape(named)):
        described(TAGGED, leave_out=leave_out)


@pytest.mark.parametrize(
    ("paths", "left_out", "taking"),
    [
        (["/users/admin", "/users/{id}"], "GET /users/admin", "GET /users/{id}"),
        (["/users/{name}", "/users/{id}"], "GET /users/{name}", "GET /users/{id}"),
        (["/users/{id}.json", "/users/{id}"], "GET /users/{id}.json", "GET /users/{id}"),
        (["/users/a{id}", "/users/{id}b"], "GET /users/a{id}", "GET /users/{id}b"),
        (["/jobs?beta=true", "/jobs"], "GET /jobs?beta=true", "GET /jobs"),
        # The calls of these are none of the other's, or were the other's before.
        (["/users/{id}", "/users/admin"], "GET /users/{id}", None),
        (["/users/admin", "/users/{id}/keys"], "GET /users/admin", None),
        (["/users/admin", "/{kind}"], "GET /users/admin", None),
        (["/jobs", "/jobs?beta=true"], "GET /jobs", None),
    ],
)
def test_what_is_left_out_may_not_be_reached_by_another_route(paths: list[str], left_out: str, taking: str | None):
    document = a_document(getting(*paths))
    if taking is None:
        assert left_out not in modules(document, leave_out={"operations": [left_out]})["other"]
        return
    with pytest.raises(BadPolicy, match=re.escape(f"{left_out} is left out, but {taking} would match its calls")):
        described(document, leave_out={"operations": [left_out]})
    other = a_document(getting("/jobs", "/users/x", *paths, "/other"))
    assert modules(other, leave_out={"paths": ["/users/*", "/jobs*"]}) == {"other": ["GET /other"]}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/v1/charges", "/v1/charges/{id}", "/v1/refunds"], {"charges": 2, "refunds": 1}),
        (["/charges", "/charges_archive", "/charges/{id}/lines"], {"charges": 2, "charges-archive": 1}),
        (["/api/rest/2024-01-01/orders", "/api/rest/2024-01-01/items/{id}"], {"orders": 1, "items": 1}),
        (["/v1/{tenant}/orders", "/v2/{account}/orders", "/v1/{tenant}/items"], {"orders": 2, "items": 1}),
        (["/chat.postMessage", "/chat.delete", "/users.list"], {"chat": 2, "users": 1}),
        (["/crm/v3/deals", "/crm/v3/deals/{id}", "/crm/v3/tickets", "/crm"], {"deals": 2, "tickets": 1, "other": 1}),
        (["/phone_numbers", "/phone-numbers/{id}", "/a"], {"phone-numbers": 2, "a": 1}),
        (["/客户", "/a/{id}", "/b"], {"a": 1, "b": 1, "other": 1}),
        # Nothing tells these apart.
        (["/orders", "/orders/{id}"], {"other": 2}),
        (["/", "/{id}"], {"other": 2}),
    ],
)
def test_modules_are_proposed_by_path_and_the_policy_with_them_is_what_they_say(paths, expected):
    found = described(a_document(getting(*paths)))
    proposed = propose_modules(found.document, found.policy, found.modules)
    edited = parse_bytes(render_with_proposal(found.rules, proposed).encode())

    again = described(found.document, modules=edited["modules"])
    assert {module.slug: len(module.routes) for module in again.modules} == expected
    assert [each.matched for each in proposed] == [count for slug, count in expected.items() if slug != "other"]
    # What is proposed once is there the next time.
    assert propose_modules(again.document, again.policy, again.modules) == ()


@pytest.mark.slow
def test_thousands_of_modules_are_not_proposed():
    found = described(a_document(getting(*(f"/a{n}" for n in range(4_900)))))
    began = time.process_time()

    assert propose_modules(found.document, found.policy, found.modules) == ()
    assert time.process_time() - began < 5


def test_a_proposal_is_for_operations_without_a_tag_alone():
    document = a_document({"/a": {"get": operation("Users")}, **getting("/users/{id}", "/b", "/c")})
    found = described(document)
    proposed = propose_modules(document, found.policy, found.modules)
    # A module Users is there already.
    assert [(each.name, each.routes) for each in proposed] == [("B", ("* /b",)), ("C", ("* /c",))]
    assert format_proposal(proposed, found.modules).endswith("Their paths suggest these instead: B (1), C (1).")
    assert format_proposal((), found.modules) == ""


def test_modules_are_proposed_for_a_document_with_one_tag_for_everything():
    paths = {f"/{kind}/{n}": {"get": operation("plaid")} for kind in ("asset_report", "item") for n in range(20)}
    found = described(a_document(paths))

    proposed = propose_modules(found.document, found.policy, found.modules)
    assert [(each.name, each.matched) for each in proposed] == [("Asset report", 20), ("Item", 20)]
    assert format_proposal(proposed, found.modules) == (
        "All operations form one module, plaid. Their paths suggest these instead: Asset report (20), Item (20)."
    )
    edited = parse_bytes(render_with_proposal(found.rules, proposed).encode())
    again = described(found.document, modules=edited["modules"])
    assert {module.slug: len(module.routes) for module in again.modules} == {"asset-report": 20, "item": 20}
    # The policy says what it wants, and few operations need no more than one module.
    named = described(found.document, modules=[{"tag": "plaid"}])
    assert propose_modules(named.document, named.policy, named.modules) == ()
    few = described(a_document(dict(list(paths.items())[15:25])))
    assert propose_modules(few.document, few.policy, few.modules) == ()


def test_a_path_that_no_call_could_take_may_be_left_out():
    document = a_document(getting("/a", "/b/{x}{y}"))
    with pytest.raises(ValueError, match="Adjacent variables"):
        described(document)
    assert modules(document, leave_out={"paths": ["/b/*"]}) == {"other": ["GET /a"]}


def test_an_encoded_slash_is_for_whole_segments_of_paths():
    document = a_document(getting("/projects/{id}/issues", "/files/{name}.json"))
    for word in ("id", ["id"]):
        assert described(document, encoded_slash=word).policy.encoded_slash == ("id",)
    for name in ("name", "project"):
        with pytest.raises(BadPolicy, match=f'/encoded_slash/0: "{name}" is not a whole path segment'):
            described(document, encoded_slash=[name])
