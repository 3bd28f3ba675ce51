"""Where a route tells alone what decides about its calls after a change, every one of its calls is decided so."""

from __future__ import annotations

import itertools
import re
from random import Random

import pytest

from keys.decision.route_changes import UNLISTED, build_path_pattern, find_undecided, may_match, may_overlap
from keys.decision.routes import Route, RouteTable
from keys.decision.used_calls import ReplayTable

SEGMENTS = ["a", "b", "b2", "{x}", "{y}", "f{x}", "{x}z", "f{x}z"]
TEXTS = ["a", "b", "b2", "f", "fz", "fiz", "f1z", "az", "7", "q"]
PATHS = ["/" + "/".join(path) for length in (1, 2) for path in itertools.product(TEXTS, repeat=length)]
QUERIES = ["", "m=1", "m=2", "m=1&n=1", "n=1", "m=3"]
METHODS = ["GET", "POST", "HEAD"]
VALUES = [("m", "1"), ("m", "2"), ("n", "1")]


def a_route(random: Random) -> Route:
    template = "/" + "/".join(random.choice(SEGMENTS) for _ in range(random.randint(1, 2)))
    conditions = tuple(sorted(dict(random.sample(VALUES, random.choice([0, 0, 1, 2]))).items()))
    return Route(1, "one", random.choice(METHODS[:2]), template, conditions=conditions)


def some_routes(among: list[Route]) -> list[Route]:
    """Return a few of these routes, no two of them equally specific for the same call."""
    chosen: dict[tuple[object, ...], Route] = {}
    for route in among:
        kinds = tuple("{" in part and (2 if part in ("{x}", "{y}") else 1) for part in route.template.split("/"))
        literals = tuple(part for part in route.template.split("/") if "{" not in part)
        chosen.setdefault((route.method, kinds, literals, len(route.conditions)), route)
    return list(chosen.values())


def get_outline(path: str) -> str:
    """As audit/usage/outlines.py says in SQL."""
    return re.sub("/[^/]*[0-9][^/]*", "/0", path)


@pytest.mark.parametrize("seed", range(10))
def test_a_route_that_decides_alone_decides_about_each_of_its_calls(seed: int) -> None:
    random = Random(seed)
    alone = apart = proven = 0
    for _ in range(30):
        first = [a_route(random) for _ in range(8)]
        # Some go, some come.
        then = [route for route in first if random.random() < 0.8] + [
            a_route(random) for _ in range(random.choice([0, 0, 1, 2]))
        ]
        random.shuffle(then)
        known, present = some_routes(first), some_routes(then)
        before, after = RouteTable(known), RouteTable(present)
        by_route = ReplayTable(after, {route.text: route for route in present})
        texts = {route.text for route in known} | {UNLISTED}
        undecided = find_undecided(texts, known, present)
        # Not knowing what decided before, fewer routes tell.
        assert find_undecided(texts, (), present).keys() >= undecided.keys()
        unmatched = {
            text: re.compile(build_path_pattern(rivals)) for text, rivals in undecided.items() if rivals is not None
        }
        for method, path, query in itertools.product(METHODS, PATHS, QUERIES):
            was = before.match(method, path, query)
            text = UNLISTED if was is None else was.text
            if text in undecided:
                rivals = undecided[text]
                assert rivals is not None
                matches = unmatched[text].search(path) is not None
                if may_match(rivals, [get_outline(path)]):
                    apart += 1
                else:
                    # The outline says less than the path.
                    assert not matches
                    proven += 1
                if matches:
                    continue
            alone += 1
            assert after.match(method, path, query) == by_route.match("", text), (method, path, query, known, present)
            if before.is_unambiguous(method, path, query):
                assert after.is_unambiguous(method, path, query), (method, path, query, known, present)
    assert alone > 5_000
    assert apart > 1_000
    assert proven > 1_000


def test_what_is_the_same_decides_alone() -> None:
    routes = [Route(1, "one", "GET", f"/{name}/{{id}}") for name in ("a", "b")]
    moved = [route._replace(module="two", module_id=2) for route in routes]
    texts = {route.text for route in routes} | {UNLISTED}
    assert find_undecided(texts, routes, moved) == {}
    assert find_undecided(texts, routes, routes[:1]) == {}
    new = Route(1, "one", "GET", "/a/new")
    assert find_undecided(texts, routes, [*routes, new]) == {"GET /a/{id}": [new], UNLISTED: [new]}
    assert find_undecided(texts, routes, routes, slashed={"id"}) == dict.fromkeys(texts - {UNLISTED})
    assert find_undecided({"GET /gone/{id}"}, (), routes) == {"GET /gone/{id}": None}
    assert find_undecided({"GET /a/{id}"}, (), routes) == {}


def test_a_route_without_variables_names_the_path_that_another_decides_about() -> None:
    variable, literal = (Route(1, "one", "GET", f"/a/{name}") for name in ("{id}", "new"))
    assert find_undecided({literal.text}, [variable, literal], [variable]) == {}
    assert find_undecided({literal.text}, (), [variable]) == {}
    assert ReplayTable(RouteTable([variable]), {variable.text: variable}).match("", literal.text) == variable
    conditional = variable._replace(conditions=(("menu", "1"),))
    assert find_undecided({literal.text}, [literal], [conditional]) == {literal.text: [conditional]}


@pytest.mark.parametrize(
    ("template", "outline", "expected"),
    [
        ("/a/new", "/a/0", False),
        ("/a/new", "/a/new", True),
        ("/a/v2", "/a/0", True),
        ("/a/{id}", "/a/0", True),
        ("/a/{id}", "/a/", False),
        ("/a/{id}.json", "/a/list.json", True),
        ("/a/{id}.json", "/a/list.xml", False),
        ("/a/{id}.json", "/a/0", True),
        ("/a/{id}", "/a/0/notes", False),
    ],
)
def test_an_outline_matches_where_one_of_its_paths_could(template: str, outline: str, expected: bool) -> None:
    assert may_match([Route(1, "one", "GET", template)], [outline]) is expected


def test_routes_whose_conditions_exclude_each_other_do_not_overlap() -> None:
    one, other = (Route(1, "one", "GET", "/reports", conditions=(("menu", value),)) for value in "12")
    assert not may_overlap(one, other)
    assert may_overlap(one, one._replace(conditions=()))
    assert may_overlap(one, other._replace(conditions=(("page", "2"),)))
