"""The access check reads a call as the gateway reads it from its proxy."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import pytest

from gateway.dialects import parse_headers, parse_original_call
from keys.selectors.access_check import CheckedCall, build_call
from tests.unit.keys.test_access import API

PIECES = (
    "/", "customers", "%2F", "%2f", "%25", "%", "%C3%BC", "ü", "%FF", ".", "..", "//", "\\", ";", "?", "?page=2",
    "&a=ü", "#", "%23", "%00", "%3F", "+", "a b", "%5C", "key[]=1", "é", "~",
)  # fmt: skip


def read_both(target: str) -> tuple[object, object]:
    checked = build_call(CheckedCall("GET", target, ip_address("203.0.113.7"), None), None, API)
    sent = [
        (b"x-original-method", b"GET"),
        (b"x-original-uri", target.encode()),
        (b"x-forwarded-for", b"203.0.113.7"),
    ]
    call, readable = parse_original_call(parse_headers(sent), proxy="", trusted=())
    ours = checked and (checked.method, checked.path, checked.sent_query, checked.encoded_slash)
    theirs = (call.method, call.path, call.sent_query, call.encoded_slash)
    return ours, theirs if readable or call.encoded_slash else None


@pytest.mark.parametrize(
    "target", ["/customers?page=2&q=%C3%BC", "/a%2Fb", "/a/../b", "/%C3%BC", "/?", "/a#b", "/a?b#c"]
)
def test_as_the_gateway(target: str) -> None:
    ours, theirs = read_both(target)
    assert ours == theirs


def test_whatever_is_sent() -> None:
    random = Random(20)
    read = 0
    for _ in range(20_000):
        target = "/" + "".join(random.choices(PIECES, k=random.randint(0, 5)))
        ours, theirs = read_both(target)
        assert ours == theirs, target
        read += ours is not None
    assert 4_000 < read < 16_000
