"""The example API's masking, look-up and reading of bodies."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator

import pytest

from core.phone_masking import Mask
from examples.upstream import Offline, looked_up, masked, parameters
from keys.crypto.signatures import build_string_to_sign
from tests.proxies.program import upstream

DATA = {
    "phone": "+447911123456",
    "note": "call 0301234567 or lead-7911123456, order 123456",
    "id": "5001",
    "n": 7911123,
}


@pytest.mark.parametrize(
    ("mask", "phone"),
    [
        ("first=0;last=4", "+XXXXXXXX3456"),
        ("first=3;last=0", "+447XXXXXXXXX"),
        ("first=0;last=0", "+XXXXXXXXXXXX"),
        ("first=15;last=0", "+447911123456"),
        ("first=2;last=2", "+44XXXXXXXX56"),
        ("first=9;last=9", "+447911123456"),
        ("", "+XXXXXXXXXXXX"),
        ("first=x;last=4", "+XXXXXXXXXXXX"),
    ],
)
def test_a_mask_leaves_so_many_digits_visible_and_one_that_is_unreadable_none(mask, phone):
    assert masked(DATA, mask)["phone"] == phone  # type: ignore[index]


def test_numbers_are_found_wherever_they_are_and_nothing_else_is_hidden():
    actual = masked([DATA], "first=0;last=2")
    assert actual == [
        {
            "phone": "+XXXXXXXXXX56",
            "note": "call XXXXXXXX67 or lead-7911123456, order 123456",
            "id": "5001",
            "n": 7911123,
        }
    ]


@pytest.mark.parametrize("text", ["+442079460123", "0301234567", "tel:447911123456;x", "a 1234567 b 123456789012345"])
def test_the_api_hides_what_the_portal_hides(text):
    for digits in (0, 4, 15):
        assert masked(text, f"first={digits};last=0") == Mask(digits, "first").mask(text)
        assert masked(text, f"first=0;last={digits}") == Mask(digits, "last").mask(text)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+447911123456", {"valid": True, "country": "GG", "type": "mobile", "carrier": "JT"}),
        ("+493012345678", {"valid": True, "country": "DE", "type": "fixed_line", "carrier": None}),
        ("nonsense", {"valid": False, "country": None, "type": None, "carrier": None}),
        ("", {"valid": False, "country": None, "type": None, "carrier": None}),
    ],
)
def test_the_offline_provider_knows_numbering_plans(number, expected):
    assert Offline().look_up(number) == expected


def test_without_the_package_a_look_up_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    assert Offline().look_up("+447911123456") == {"error": "the phonenumbers package is not installed"}


def test_any_other_provider_can_be_asked():
    class Network:
        def look_up(self, number: str) -> dict[str, object]:
            return {"in use": number.endswith("6")}

    assert looked_up({"phone": "+447911123456"}, Network()) == {"phone": "+447911123456", "lookup": {"in use": True}}
    assert looked_up({"name": "nobody"}, Network()) == {"name": "nobody"}
    assert looked_up([1], Network()) == [1]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.mark.parametrize(
    "head_and_body",
    [
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 1e3\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    ],
)
def test_a_body_without_a_clear_end_is_refused_and_nothing_after_it_is_read(port, head_and_body):
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"POST /customers HTTP/1.1\r\nHost: x\r\n" + head_and_body)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert "cannot be read" in json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["error"]


@pytest.mark.parametrize(
    ("one", "other", "read"),
    [
        ("x=%2B", "x=+", {"x": ["+"]}),
        ("x=%41&y=%c3%a9", "y=%C3%A9&x=A", {"x": ["A"], "y": ["é"]}),
        ("a", "a=", {"a": [""]}),
        ("b=2&a=1", "a=1&&b=2&", {"a": ["1"], "b": ["2"]}),
        ("x=1&x=2", "x=2&%78=1", {"x": ["1", "2"]}),
        ("x=a%20b", "x=a%20b&", {"x": ["a b"]}),
        ("", "&", {}),
    ],
)
def test_queries_that_are_signed_alike_are_read_alike(one: str, other: str, read: dict[str, list[str]]):
    def signed(query: str) -> str:
        return build_string_to_sign(method="GET", path="/", query=query, timestamp="1", nonce="n", body_sha256="")

    assert signed(one) == signed(other)
    assert parameters(one) == parameters(other) == read
