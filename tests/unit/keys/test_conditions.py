"""Routes with query conditions: which one takes a call, and which queries have more than one reading."""

from __future__ import annotations

from itertools import permutations

import pytest

from keys.decision.routes import Route, RouteTable


def route(module: str, template: str, method: str = "GET", **wanted: str) -> Route:
    return Route(1, module, method, template, conditions=tuple(sorted(wanted.items())))


ROUTES = [
    route("every report", "/reports"),
    route("detailed", "/reports", menuItemId="101"),
    route("detailed, all fields", "/reports", menuItemId="101", fields="all"),
    route("summary", "/reports", menuItemId="102"),
    route("one of a kind", "/{kind}", menuItemId="103"),
    route("calls", "/logs", type="call log"),
    route("sums", "/logs", type="1+1"),
    route("of a buyer", "/buyers/{id}", menuItemId="104"),
    route("plain", "/plain"),
]
TABLE = RouteTable(ROUTES)


@pytest.mark.parametrize(
    ("path", "query", "module"),
    [
        ("/reports", "", "every report"),
        ("/reports", "menuItemId=101", "detailed"),
        ("/reports", "page=2&menuItemId=101&to=x", "detailed"),
        ("/reports", "menuItemId=102", "summary"),
        ("/reports", "menuItemId=105", "every report"),
        ("/reports", "menuItemId=", "every report"),
        # More conditions before fewer
        ("/reports", "fields=all&menuItemId=101", "detailed, all fields"),
        ("/reports", "fields=all&menuItemId=102", "summary"),
        # Decoded once
        ("/reports", "menu%49temId=%3101", "detailed"),
        ("/reports", "menuItemId=%2531", "every report"),
        # A literal path before a variable one, whatever its conditions
        ("/reports", "menuItemId=103", "every report"),
        ("/other", "menuItemId=103", "one of a kind"),
        ("/other", "menuItemId=104", None),
        ("/other", "", None),
        ("/logs", "type=call%20log", "calls"),
        ("/logs", "type=1%2B1", "sums"),
        ("/buyers/7", "menuItemId=104", "of a buyer"),
        ("/buyers/7", "", None),
        ("/plain", "menuItemId=103", "plain"),
    ],
)
def test_the_most_specific_route_decides(path, query, module):
    for routes in (ROUTES, ROUTES[::-1]):
        for method in ("GET", "HEAD"):
            table = RouteTable(routes)
            matched = table.match(method, path, query)
            assert (matched.module if matched else None) == module
            assert table.is_unambiguous(method, path, query)


def test_the_order_of_the_routes_does_not_matter():
    for turned in permutations(ROUTES[:4]):
        assert RouteTable(turned).match("GET", "/reports", "menuItemId=101").module == "detailed"


def test_a_table_says_whether_it_has_conditions():
    assert TABLE.conditional
    assert not RouteTable([route("plain", "/plain")]).conditional


@pytest.mark.quality(3)
@pytest.mark.parametrize(
    "query",
    [
        # Repeated, by whatever spelling
        *("menuItemId=101&menuItemId=101", "menuItemId=101&x=1&menuItemId=102", "menuItemId=101&menuItemId"),
        *("menuItemId=101&menu%49temId=102", "menuItemId&menuItemId="),
        # Arrays
        *("menuItemId[]=101", "menuItemId[0]=101", "menuItemId%5B%5D=101", "menuItemId=101&menuItemId[]=102"),
        *("menuItemId[x][y]=101", "menuItemId[=101"),
        # What lenient servers take for the same name
        *(
            "menuItemId=101&MENUITEMID=102",
            "menuitemid=102",
            "menuItemId%00=102",
            "%20menuItemId=102",
            "menuItemId+=102",
        ),
        # Another separator
        *("menuItemId=101;x=1", "x=1;menuItemId=102", "menuItemId=101&x=1;menuItemId=102"),
        # Named by the condition of another route of this path
        *("fields=a&fields=b", "fields[]=all"),
    ],
)
def test_a_query_with_two_readings_is_not_readable(query):
    assert not TABLE.is_unambiguous("GET", "/reports", query)
    assert not TABLE.is_unambiguous("HEAD", "/reports", query)


@pytest.mark.parametrize("query", ["type=call+log", "type=1+1", "type=1%2B1&type=call%20log"])
def test_a_plus_that_would_decide_as_a_space_or_as_a_plus_is_not_readable(query):
    assert not TABLE.is_unambiguous("GET", "/logs", query)


@pytest.mark.parametrize(
    "query", ["", "&", "x=1&x=2", "x[]=1", "type=a+b", "page=1;2", "q=%ff", "%zz=1", "x=menuItemId", "=1&=2"]
)
def test_what_no_condition_names_may_be_anything(query):
    assert TABLE.is_unambiguous("GET", "/logs", query)
    assert TABLE.match("GET", "/logs", query) is None


def test_underscores_dots_and_spaces_are_one_name_to_some():
    table = RouteTable([route("a", "/a", menu_item="1")])
    assert table.is_unambiguous("GET", "/a", "menu_item=1")
    for query in ("menu.item=2", "menu%20item=2", "menu+item=2", "menu_item=1&menu.item=2"):
        assert not table.is_unambiguous("GET", "/a", query)


def test_conditions_are_shown():
    assert ROUTES[2].text == "GET /reports?fields=all&menuItemId=101"
    assert ROUTES[0].text == "GET /reports"


@pytest.mark.parametrize(
    ("template", "takes"),
    [
        ("/recordings/{lead_id}", True),
        ("/v2/calls/{id}", True),
        ("/recordings", False),
        ("/recordings/{lead_id}/audio", False),
        ("/{tenant}/recordings/{lead_id}", False),
        ("/recordings/{lead_id}.mp3", False),
        ("/recordings/lead-{id}", False),
    ],
)
def test_a_link_opens_only_what_its_lead_id_names_whole(template, takes):
    assert Route(1, "m", "GET", template, recording=True).accepts_link is takes
    assert not Route(1, "m", "GET", template).accepts_link
