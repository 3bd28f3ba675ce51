"""One reading of a path, or none; and the most specific route that takes it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.decision.routes import (
    Route,
    RouteTable,
    UnreadablePath,
    get_specificity,
    parse_encoded_slashes,
    parse_path,
)

READABLE = [
    ("/", "/"),
    ("/customers", "/customers"),
    ("/customers/", "/customers/"),
    ("/Customers/42", "/Customers/42"),
    ("/a.b/c-d/e_f/~g", "/a.b/c-d/e_f/~g"),
    ("/...", "/..."),
    ("/.well-known/x", "/.well-known/x"),
    ("/a..b/..c/d..", "/a..b/..c/d.."),
    ("/a:b@c=d&e+f,g!h$i'(j)*", "/a:b@c=d&e+f,g!h$i'(j)*"),
    ("/%63ustomers", "/customers"),
    ("/a%20b", "/a b"),
    ("/caf%C3%A9", "/café"),
    ("/caf\xc3\xa9", "/café"),
    ("/a%3Fb", "/a?b"),
    ("/a%26b%3Dc", "/a&b=c"),
]

UNREADABLE = [
    # No path at all
    *("", "customers", "*", "http://host/customers", "?x=1", " /customers"),
    # Dot segments, plain and encoded
    *("/.", "/..", "/a/./b", "/a/../b", "/a/..", "/../a", "/%2e", "/%2E%2e/a", "/a/.%2e/b", "/a/%2e/b", "/./", "/../"),
    # Empty segments, other separators
    *("//", "//a", "/a//b", "/a//", "/a\\b", "/a%5cb", "/a%5Cb", "/a%2fb", "/a%2Fb", "/%2f", "/a%2F..%2Fb"),
    # Encoded percent: two decoders, two paths
    *("/%25", "/a%252fb", "/%252e%252e/a", "/100%25"),
    # Parameters, fragments, control characters
    *(
        "/a;b",
        "/a;/b",
        "/a%3bb",
        "/a#b",
        "/a%23b",
        "/a\0b",
        "/a%00b",
        "/a%0ab",
        "/a%0D%0Ab",
        "/a\tb",
        "/a\x7fb",
        "/a%7f",
    ),
    *("/a\x1eb", "/a%1f", "/a%C2%85b", "/a\xc2\x9fb"),
    # Invalid UTF-8: stray bytes, overlong forms of / and ., a surrogate, beyond Unicode
    *("/a%ff", "/a\xff", "/a%c0%af", "/%c0%ae%c0%ae/a", "/a%e0%80%af", "/a%ed%a0%80", "/a%f4%90%80%80", "/a%c3"),
    # Broken encoding
    *("/a%", "/a%2", "/a%zz", "/a%u002f", "/%%41"),
]


@pytest.mark.parametrize(("raw", "path"), READABLE)
def test_a_readable_path_is_decoded_once(raw, path):
    assert parse_path(raw) == path


@pytest.mark.quality(3)
@pytest.mark.parametrize("raw", UNREADABLE)
def test_a_path_with_two_readings_is_refused(raw):
    with pytest.raises(UnreadablePath):
        parse_path(raw)


@given(st.text(alphabet=[chr(code) for code in range(256)], max_size=30).map(lambda text: "/" + text))
def test_whatever_is_readable_is_safe_to_match_and_to_store(raw):
    try:
        path = parse_path(raw)
    except UnreadablePath:
        return
    segments = path.split("/")
    assert segments[0] == ""
    assert "." not in segments
    assert ".." not in segments
    assert "" not in segments[1:-1]
    assert not set(path) & set("\\;#")
    assert all(character >= " " for character in path)
    path.encode()


def table(*routes: tuple[str, str, str]) -> RouteTable:
    return RouteTable(Route(number, module, method, path) for number, (module, method, path) in enumerate(routes))


TABLE = table(
    ("lists", "GET", "/customers"),
    ("one", "GET", "/customers/{id}"),
    ("export", "GET", "/customers/export"),
    ("notes", "GET", "/customers/{id}/notes"),
    ("anything", "GET", "/{kind}/{id}/{part}"),
    ("files", "GET", "/customers/{id}/{name}.pdf"),
    ("create", "POST", "/customers"),
    ("own-head", "HEAD", "/probe"),
)


@pytest.mark.parametrize(
    ("method", "path", "module"),
    [
        ("GET", "/customers", "lists"),
        ("POST", "/customers", "create"),
        ("HEAD", "/customers", "lists"),
        ("HEAD", "/customers/42", "one"),
        ("GET", "/customers/42", "one"),
        # A literal segment before a variable one
        ("GET", "/customers/export", "export"),
        ("GET", "/customers/42/notes", "notes"),
        # A segment with a variable in it before one that is a variable
        ("GET", "/customers/42/bill.pdf", "files"),
        ("GET", "/customers/42/other", "anything"),
        # Nothing is rewritten: trailing slash, case and method count
        ("GET", "/customers/", None),
        ("GET", "/Customers", None),
        ("PUT", "/customers", None),
        ("get", "/customers", None),
        # A variable is one whole segment, never none and never two
        ("GET", "/customers//", None),
        ("GET", "/customers/42/notes/7", None),
        # HEAD counts as GET, so a HEAD route of its own is never asked
        ("HEAD", "/probe", None),
    ],
)
def test_the_most_specific_route_decides(method, path, module):
    route = TABLE.match(method, path)
    assert (route.module if route else None) == module


def test_the_order_of_the_routes_does_not_matter():
    routes = [("broad", "GET", "/{a}/{b}"), ("narrow", "GET", "/x/{b}"), ("middle", "GET", "/{a}/y")]
    for turned in (routes, routes[::-1]):
        assert table(*turned).match("GET", "/x/y").module == "narrow"


def test_a_segment_with_a_variable_in_it_decides_before_one_that_is_a_variable():
    routes = [("any", "GET", "/a/{x}"), ("version", "GET", "/a/v{x}")]
    for turned in (routes, routes[::-1]):
        assert table(*turned).match("GET", "/a/v1").module == "version"
        assert table(*turned).match("GET", "/a/w1").module == "any"


_SEGMENTS = st.sampled_from(["a", "b", "{x}", "a{x}", "{x}b"])


@given(
    st.sets(st.lists(_SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments)), max_size=12),
    st.lists(st.sampled_from(["a", "b", "ab", "aab", ""]), min_size=1, max_size=4),
)
def test_the_route_that_decides_is_the_first_of_all_that_match_by_specificity(templates, segments):
    path = "/" + "/".join(segments)
    matching = [each for each in templates if re.fullmatch(re.sub(r"\{x\}", "[^/]+", each), path)]
    route = RouteTable(Route(1, "m", "GET", each) for each in templates).match("GET", path)
    if route is None:
        assert matching == []
    else:
        assert get_specificity(route.template) == min(map(get_specificity, matching))


@pytest.mark.parametrize("conditions", [(), (("kind", "old"),)])
def test_routes_that_begin_otherwise_are_not_tried(monkeypatch, conditions):
    tried = []

    class Expression:
        def __init__(self, template):
            self.template = template

        def fullmatch(self, path):
            tried.append(self.template)
            return True

    monkeypatch.setattr("keys.decision.routes._compile_template", Expression)
    routes = [Route(1, "m", "GET", f"/v1/things{number}/{{id}}") for number in range(1000)]
    many = RouteTable([*routes, Route(1, "m", "GET", "/v1/other/{id}", conditions=conditions)])
    assert many.match("GET", "/v1/things999/7") == routes[-1]
    assert tried == ["/v1/things999/{id}"]
    assert many.match("GET", "/v2/things999/7") is None
    assert tried == ["/v1/things999/{id}"]


def test_characters_of_a_template_are_literal():
    assert table(("m", "GET", "/a.b/{id}")).match("GET", "/aXb/1") is None
    assert table(("m", "GET", "/a+b/{id}")).match("GET", "/a+b/1") is not None


def test_a_variable_takes_line_ends_of_unicode_too():
    assert table(("m", "GET", "/{id}")).match("GET", "/a\u2028b") is not None


SLASHED = RouteTable(
    [
        Route(1, "projects", "GET", "/projects/{project_id}"),
        Route(1, "projects", "GET", "/projects/{project_id}/issues/{issue}"),
        Route(1, "projects", "GET", "/projects/{project_id}.json"),
        Route(2, "reports", "GET", "/reports/{project_id}", recording=True),
    ],
    ["project_id"],
)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/projects/a%2Fb", "/projects/a%2Fb"),
        ("/projects/a%2fb%2fc/issues/1", "/projects/a%2Fb%2Fc/issues/1"),
        ("/projects/%C3%A9%2F%20x", "/projects/é%2F x"),
        ("/projects/a", None),
        ("/projects/a%2F", None),
        *(
            (raw, None)
            for raw in ("/projects/a%2F/issues/1", "/projects/%2Fa", "/projects/a%2F%2Fb", "/projects/a%2F..")
        ),
        *((raw, None) for raw in ("/projects/..%2Fa", "/projects/a%2F..%2Fb", "/projects/a%2F%2E%2E%2Fb", "/..%2F")),
        *(
            (raw, None)
            for raw in ("/projects/a%2Fb%5Cc", "/projects/a%252Fb%2Fc", "/a%2Fb;c", "/a%2Fb%3Bc", "/a%2F%zz")
        ),
        *((raw, None) for raw in ("/a%2F%ff", "/a%2F%00", "//a%2Fb", "a%2Fb", "%2Fa", "/a%2Fb%2F.", "/a%2Fb#c")),
    ],
)
def test_an_encoded_slash_stays_and_every_reading_of_the_rest_must_be_readable(raw: str, path: str | None):
    assert parse_encoded_slashes(raw) == path
    if "%2" in raw:
        with pytest.raises(UnreadablePath):
            parse_path(raw)


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/projects/a%2Fb", True),
        ("/projects/a%2Fb/issues/1", True),
        ("/projects/a%2Fb/issues/1%2F2", False),
        ("/projects/a/issues/1%2F2", False),
        ("/projects/a%2Fb.json", False),
        ("/projects%2Fa", False),
        ("/reports/a%2Fb", False),
        ("/nothing/a%2Fb", False),
    ],
)
def test_only_a_named_variable_takes_an_encoded_slash(path: str, taken: bool):
    assert SLASHED.accepts_encoded_slash("GET", path, "") is taken
    assert not SLASHED.accepts_encoded_slash("POST", path, "")
    assert not RouteTable([Route(1, "a", "GET", "/projects/{project_id}")]).accepts_encoded_slash("GET", path, "")
