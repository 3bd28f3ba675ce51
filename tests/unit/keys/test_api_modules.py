"""What a policy says about modules: numbers, slugs, conditions, marks; and routes that nobody can tell apart."""

from __future__ import annotations

from typing import Any

import pytest

from keys.apis.ambiguity import Claim, list_ambiguous_claims
from keys.apis.document import BadDocument
from keys.apis.policy_parsing import BadPolicy
from tests.unit.keys.documents import a_document, described, modules, operation

MENU = {"name": "menu", "in": "query", "schema": {"type": "integer", "enum": [1, 2]}}
DAY = {"name": "day", "in": "query", "schema": {"type": "string"}}
SHOP = a_document(
    {
        "/reports": {"get": operation("Long", "Short", parameters=[MENU, DAY])},
        "/lists": {"get": operation("Lists"), "post": operation("Lists")},
        "/recordings/{lead}": {"get": operation("Lists")},
    },
    tags=[{"name": "Long"}, {"name": "Short"}],
)
LONG = {"tag": "Long", "number": 11, "routes": ["GET /reports?menu=1"]}
SHORT = {"tag": "Short", "number": 12, "routes": ["GET /reports?menu=2"]}


def test_a_policy_gives_modules_numbers_and_routes_with_conditions():
    found = described(SHOP, modules=[LONG, SHORT]).modules

    assert [(module.slug, module.number) for module in found] == [("long", 11), ("short", 12), ("lists", None)]
    assert [route.conditions for route in found[0].routes] == [{"menu": "1"}]
    assert modules(SHOP, modules=[LONG, SHORT]) == {
        "long": ["GET /reports?menu=1"],
        "short": ["GET /reports?menu=2"],
        "lists": ["GET /lists", "POST /lists", "GET /recordings/{lead}"],
    }


def test_several_conditions_and_none_stand_beside_each_other():
    both = {"tag": "Long", "routes": ["GET /reports", "GET /reports?day=a%20b&menu=1"]}

    assert modules(SHOP, modules=[both, SHORT])["long"] == ["GET /reports", "GET /reports?day=a b&menu=1"]


def test_routes_that_add_leads_and_recordings_are_marked():
    found = described(
        SHOP,
        credentials=["signature", "recording"],
        flags=["hlr_lookup", "recordings"],
        adds_leads=["POST /lists"],
        recordings=["GET /recordings/{lead}"],
    )
    routes = {route.text: route for module in found.modules for route in module.routes}

    assert [text for text, route in routes.items() if route.adds_leads] == ["POST /lists"]
    assert [text for text, route in routes.items() if route.recording] == ["GET /recordings/{lead}"]


def test_a_module_contains_what_the_policy_says_and_what_that_contains():
    owner = {"tag": "Owner", "contains": ["Long"]}
    long = {**LONG, "contains": ["Lists"]}
    document = {**SHOP, "tags": [{"name": "Owner"}, *SHOP["tags"]]}
    found = described(document, modules=[owner, long, SHORT]).modules

    assert [(module.slug, module.contained) for module in found] == [
        ("owner", ("long", "lists")),
        ("long", ("lists",)),
        ("short", ()),
        ("lists", ()),
    ]
    # It has no operation of its own, and is there for what it contains.
    assert found[0].routes == ()


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (
            {"modules": [{**LONG, "contains": ["Longer"]}, SHORT]},
            '/modules/0/contains/0: "Longer" makes no module. Use some such as Short, Lists.',
        ),
        (
            {"modules": [{"tag": "Longer", "number": 1}]},
            '/modules/0/tag: "Longer" is not in the document. Use one such as Long, Short',
        ),
        (
            {"modules": [{**LONG, "routes": ["GET /report?menu=1"]}, SHORT]},
            '"GET /report" is not an operation of the document. Write GET /reports',
        ),
        ({"modules": [{**LONG, "routes": ["POST /reports?menu=1"]}, SHORT]}, '"POST /reports" is not an operation'),
        (
            {"modules": [{**LONG, "routes": ["GET /reports?item=1"]}, SHORT]},
            'parameter "item". Use one of menu, day',
        ),
        (
            {"modules": [{**LONG, "routes": ["GET /reports?menu=3"]}, SHORT]},
            '"3" is not a value of menu. Use one of 1',
        ),
        ({"modules": [{**LONG, "routes": ["GET /reports?menu"]}, SHORT]}, "has malformed conditions"),
        (
            {"modules": [{**LONG, "routes": ["GET /reports?menu=1&menu=2"]}, SHORT]},
            "has two conditions on one parameter",
        ),
        (
            {"modules": [{"tag": "Lists", "routes": ["GET /lists"]}]},
            '/modules/0/routes: POST /lists, GET /recordings/{lead} belong to no module, because the tag "Lists" has',
        ),
        ({"flags": ["hlr_lookup"], "adds_leads": ["POST /leads"]}, '/adds_leads/0: "POST /leads" is not an operation'),
        ({"recordings": ["GET /lists"]}, '/recordings/0: "GET /lists" does not end in a lead'),
        ({"recordings": ["GET /recordings/1"]}, '/recordings/0: "GET /recordings/1" is not an operation'),
    ],
)
def test_what_a_policy_says_about_routes_must_be_in_the_document(rules: dict[str, Any], named: str):
    if "recordings" in rules:
        rules = {**rules, "credentials": ["signature", "recording"], "flags": ["recordings"]}

    with pytest.raises(BadPolicy) as refused:
        described(SHOP, **rules)

    assert named in str(refused.value)


@pytest.mark.parametrize(
    "tags",
    [
        ("Text to Speech", "Text To Speech"), ("Pet Store", "pet-store"), ("pet_store", "Pet Store"),
        ("users", "Users"), ("Straße", "STRASSE"), ("a  b", "a b"),
    ],
)  # fmt: skip
def test_spellings_of_one_tag_form_one_module_with_a_warning(tags: tuple[str, str]):
    one, other = tags
    found = described({**tagged(*tags, one), "tags": [{"name": one}, {"name": other}]})

    ((_, name, _, routes, _),) = found.modules
    assert (name, [route.text for route in routes]) == (" ".join(one.split()), ["GET /a0", "GET /a1", "GET /a2"])
    (warning,) = found.warnings
    assert (warning.pointer, warning.actual) == (("tags", "1", "name"), f'"{other}" is spelled "{one}" elsewhere')


def test_spellings_that_the_policy_names_stay_apart():
    document = tagged("Users", "users")
    with pytest.raises(BadDocument, match='"users" has the slug users, like "Users"'):
        described(document, modules=[{"tag": "users", "number": 7}])

    found = described(document, modules=[{"tag": "users", "slug": "lower"}])
    assert {module.slug: [route.text for route in module.routes] for module in found.modules} == {
        "users": ["GET /a0"],
        "lower": ["GET /a1"],
    }
    assert found.warnings.total == 0


def tagged(*tags: str) -> dict[str, Any]:
    return a_document({f"/a{n}": {"get": operation(tag)} for n, tag in enumerate(tags)})


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        (("Pet & Store", "pet-store"), '/get/tags/0: "pet-store" has the slug pet-store, like "Pet & Store"'),
        (("C", "C++"), '/get/tags/0: "C++" has the slug c, like "C"'),
        (("客户",), '/paths/~1a0/get/tags/0: "客户" gives no slug'),
        (("x" * 65,), "gives no slug of 1 to 64"),
        (("…",), "gives no slug"),
        (("",), "cannot name a module"),
        (("x" * 201,), "cannot name a module"),
        (("a\u202eb",), "cannot name a module"),
    ],
)
def test_tags_that_make_no_slug_of_their_own_are_refused(tags: tuple[str, ...], named: str):
    with pytest.raises(BadDocument) as refused:
        described(tagged(*tags))

    assert named in str(refused.value)


def test_a_policy_gives_them_slugs():
    rules = [{"tag": "pet-store", "slug": "old-store"}, {"tag": "客户", "slug": "customers"}]

    assert modules(tagged("Pet Store", "pet-store", "客户"), modules=rules) == {
        "pet-store": ["GET /a0"],
        "old-store": ["GET /a1"],
        "customers": ["GET /a2"],
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /a/{x}", "GET /a/{y}"),
        ("GET /{x}/a", "GET /{y}/a"),
        ("GET /a/v{x}", "GET /a/{y}z"),
        ("GET /a/{x}.json", "GET /a/{y}n"),
        ("GET /r?a=1", "GET /r?b=1"),
        ("GET /r?a=1", "GET /r?a=1"),
        ("GET /r/{x}?a=1", "GET /r/{y}?b=2"),
        ("GET /r?a=1&b=2", "GET /r?a=1&c=3"),
    ],
)
def test_routes_of_two_modules_that_could_take_the_same_call_are_ambiguous(one: str, other: str):
    assert list_ambiguous_claims([claim("A", one), claim("B", other)], 9) == [(claim("A", one), claim("B", other))]
    assert list_ambiguous_claims([claim("A", one), claim("A", other)], 9) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /a/{x}", "POST /a/{x}"),
        ("GET /a/{x}", "GET /b/{x}"),
        ("GET /a/{x}", "GET /a/b"),
        ("GET /a/{x}", "GET /a/{x}/b"),
        ("GET /a/{x}/b", "GET /a/c/{y}"),
        ("GET /a/v{x}", "GET /a/w{x}"),
        ("GET /a/{x}.json", "GET /a/{x}.xml"),
        ("GET /a/v{x}", "GET /a/{x}"),
        ("GET /r?a=1", "GET /r?a=2"),
        ("GET /r?a=1", "GET /r"),
        ("GET /r?a=1", "GET /r?a=1&b=2"),
        ("GET /r?a=1&b=2", "GET /r?b=3&c=4"),
    ],
)
def test_routes_that_the_gateway_can_tell_apart_are_not(one: str, other: str):
    assert list_ambiguous_claims([claim("A", one), claim("B", other)], 9) == []


def claim(module: str, text: str) -> Claim:
    method, _, rest = text.partition(" ")
    template, _, query = rest.partition("?")
    return Claim(module, method, template, dict(pair.split("=") for pair in query.split("&") if pair))


def test_ambiguous_routes_are_refused_at_import_by_name():
    document = a_document({"/a/{x}": {"get": operation("A")}, "/a/{y}": {"get": operation("B")}})

    with pytest.raises(
        BadDocument, match=r"~1a~1\{y\}/get: GET /a/\{y\} of B and GET /a/\{x\} of A are equally specific"
    ):
        described(document)
    with pytest.raises(
        BadDocument, match=r"~1reports/get: GET /reports\?menu=2 of Short and GET /reports\?day=1 of Long"
    ):
        described(SHOP, modules=[{"tag": "Long", "routes": ["GET /reports?day=1"]}, SHORT])
