"""What a proxy says about the original call becomes one reading of it, or a refusal that can still be logged."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import redaction
from gateway.dialects import CREDENTIAL_HEADERS, ORIGINAL_CALL_HEADERS, parse_headers, parse_original_call
from keys.crypto import secrets

TOKEN = secrets.generate_token("kw", "AbCdEfGh1234").token
NGINX = {
    "x-original-method": "GET",
    "x-original-uri": "/customers?page=2",
    "x-forwarded-host": "api.example.com",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "203.0.113.7",
    "x-gateway-secret": "s",
    "user-agent": "curl/8",
    "authorization": f"Bearer {TOKEN}",
}


def parse(*more: tuple[str, str], without: str = "", **changes: str):
    headers = NGINX | {name.replace("_", "-"): value for name, value in changes.items()}
    headers.pop(without, None)
    pairs = [*headers.items(), *more]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return parse_original_call(parse_headers(raw), proxy="edge", trusted=())


def test_nginx_headers_are_one_call():
    call, readable = parse()
    assert readable
    assert (call.method, call.path, call.query, call.host) == ("GET", "/customers", "page=2", "api.example.com")
    assert (str(call.client_address), call.user_agent, call.proxy) == ("203.0.113.7", "curl/8", "edge")
    assert call.presented is not None
    assert call.presented.public_id == "AbCdEfGh1234"


def test_caddy_headers_are_the_same_call():
    caddy = {"x-forwarded-method": "GET", "x-forwarded-uri": "/customers?page=2"}
    headers = {name: value for name, value in NGINX.items() if not name.startswith("x-original")} | caddy
    call, readable = parse_original_call(
        parse_headers([(name.encode(), value.encode()) for name, value in headers.items()]), proxy="edge", trusted=()
    )
    assert readable
    assert (call.method, call.path, call.query) == ("GET", "/customers", "page=2")


def test_both_forms_may_be_there_if_they_agree():
    assert parse(x_forwarded_method="GET", x_forwarded_uri="/customers?page=2")[1]


@pytest.mark.parametrize(
    "changes", [{"x_forwarded_method": "POST"}, {"x_forwarded_uri": "/admin"}, {"x_forwarded_uri": ""}]
)
def test_two_forms_that_differ_are_unreadable(changes):
    assert not parse(**changes)[1]


@pytest.mark.parametrize("name", sorted(NGINX.keys() - {"authorization", "x-forwarded-proto"}))
def test_anything_said_twice_is_unreadable(name):
    assert not parse((name, NGINX[name]))[1]


def test_two_credentials_are_none_but_readable():
    call, readable = parse(("authorization", f"Bearer {TOKEN}"))
    assert readable
    assert call.presented is None


@pytest.mark.quality(2)
@pytest.mark.parametrize("alias", ["_", "."])
@pytest.mark.parametrize("name", sorted(name.decode() for name in ORIGINAL_CALL_HEADERS | CREDENTIAL_HEADERS))
def test_a_name_in_disguise_is_unreadable(name, alias):
    for disguised in {name.replace("-", alias), name.replace("-", alias, 1)} - {name}:
        assert not parse((disguised, "x"))[1]


@pytest.mark.parametrize(
    "name", ["accept", "x_request_id", "x.y", "cookie", "x-forwarded-prefix", "forwarded", "x-http-method-override"]
)
def test_other_names_are_nothing_to_the_gateway(name):
    call, readable = parse((name, "/admin"))
    assert readable
    assert (call.method, call.path) == ("GET", "/customers")


@pytest.mark.parametrize("name", ["x-original-method", "x-original-uri", "x-forwarded-for"])
def test_without_method_path_or_client_a_request_is_unreadable(name):
    assert not parse(without=name)[1]


@pytest.mark.parametrize("entry", ["unknown", "203.0.113.7:x", "fe80::1%eth0", "", "198.51.100.1, "])
def test_an_unreadable_client_address_is_refused(entry):
    call, readable = parse(x_forwarded_for=entry)
    assert not readable
    assert call.client_address is None


def test_the_client_is_found_behind_trusted_proxies():
    raw = [
        (n.encode(), v.encode())
        for n, v in (NGINX | {"x-forwarded-for": "198.51.100.1, 203.0.113.7, 10.0.0.9"}).items()
    ]
    call, _ = parse_original_call(parse_headers(raw), proxy="edge", trusted=[ip_network("10.0.0.0/8")])
    assert str(call.client_address) == "203.0.113.7"


@pytest.mark.parametrize("method", ["", "get", "G T", "GET\0", "GÉT", "A" * 21, "GET,POST", "-"])
def test_a_strange_method_is_unreadable(method):
    call, readable = parse(x_original_method=method)
    assert not readable
    assert len(call.method) <= 20


@pytest.mark.parametrize(
    "uri", ["customers", "//customers", "/a/../b", "/a%2fb", "/a#b", "/a?b#c", "*", "?page=2", "/" + "a" * 8000]
)
def test_a_strange_uri_is_unreadable_and_still_logged(uri):
    call, readable = parse(x_original_uri=uri)
    assert not readable
    assert len(call.path) <= 8000


def test_the_path_is_judged_as_it_was_sent():
    # A path that holds what looks like a secret keeps its segments: hiding is for the log alone.
    call, readable = parse(x_original_uri=f"/a&token=x/{TOKEN}/notes")
    assert readable
    assert call.path == f"/a&token=x/{TOKEN}/notes"


@pytest.mark.parametrize(
    "changes",
    [
        {"x_original_uri": f"/customers?token={TOKEN}"},
        {"x_original_uri": f"/customers?q={TOKEN.replace('_', '%5F')}"},
        {"x_original_uri": f"//{TOKEN}"},
        {"user_agent": "x" * 448 + TOKEN},
        {"x_forwarded_host": f"{TOKEN}.example.com"},
        {"x_original_uri": "/customers?" + "x" * 7950 + "&" + TOKEN},
    ],
)
def test_no_logged_field_holds_a_secret(changes):
    call, _ = parse(**changes)
    logged = [call.method, call.host, call.query, call.user_agent, redaction.redact(call.path)]
    assert not [text for text in logged if TOKEN[16:40] in text]


latin1 = st.text(alphabet=[chr(code) for code in range(256)], max_size=60)


@given(latin1, latin1, latin1, latin1, latin1)
def test_whatever_was_sent_can_be_stored(method, uri, host, address, agent):
    call, readable = parse(
        x_original_method=method, x_original_uri=uri, x_forwarded_host=host, x_forwarded_for=address, user_agent=agent
    )
    for text in (call.method, call.path, call.query, call.host, call.user_agent):
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
        text.encode()
    if readable:
        assert call.client_address is not None
        assert call.path.startswith("/")


@pytest.mark.parametrize("value", ["\0", "a\0b", "Bearer \0", "\x1e", "\x1f", "é", "\xff" * 9000, "a" * 9000])
@pytest.mark.parametrize(
    "name", ["x-original-uri", "x-forwarded-host", "user-agent", "authorization", "x-original-method"]
)
def test_hostile_values_are_read_without_failing(name, value):
    call, _ = parse(**{name.replace("-", "_"): value})
    for text in (call.method, call.path, call.query, call.host, call.user_agent):
        assert "\0" not in text
        assert "\x1e" not in text
        assert "\x1f" not in text
        assert len(text) <= 8000


ORIGIN, ASKS = ("origin", "https://shop.example"), ("access-control-request-method", "PUT")


@pytest.mark.parametrize(
    ("more", "changes", "preflight"),
    [
        ((ORIGIN, ASKS), {}, "PUT"),
        ((("origin", "null"), ASKS), {}, "PUT"),
        ((("origin", "http://[2001:db8::1]:8080"), ASKS, ("access-control-request-headers", "x-a")), {}, "PUT"),
        ((ORIGIN,), {}, ""),
        ((ASKS,), {}, ""),
        ((ORIGIN, ORIGIN, ASKS), {}, ""),
        ((ORIGIN, ASKS, ASKS), {}, ""),
        ((("origin", ""), ASKS), {}, ""),
        ((("origin", "shop.example"), ASKS), {}, ""),
        ((("origin", "https://shop.example/path"), ASKS), {}, ""),
        ((("origin", "https://a, https://b"), ASKS), {}, ""),
        ((ORIGIN, ("access-control-request-method", "put")), {}, ""),
        ((ORIGIN, ("access-control-request-method", "PUT, GET")), {}, ""),
        ((ORIGIN, ("access-control-request-method", "")), {}, ""),
        ((ORIGIN, ASKS), {"x_original_method": "GET"}, ""),
        ((ORIGIN, ASKS), {"x_original_uri": "/customers?leadIdKey=a"}, ""),
        *(((ORIGIN, ASKS, (name.decode(), "x")), {}, "") for name in sorted(CREDENTIAL_HEADERS)),
    ],
)
def test_a_preflight_is_what_browsers_send_and_nothing_else(more, changes, preflight):
    call, readable = parse(*more, without="authorization", **{"x_original_method": "OPTIONS", **changes})
    assert (readable, call.preflight) == (True, preflight)
