"""MACs and verification of the chain of events."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from audit.trail import chain

KEY, PREV = b"k" * 32, bytes(range(32))


def format_canonical(value: Any) -> str:
    return chain.dump_json(chain.sanitize(value))


def test_the_mac_is_hmac_sha256_over_purpose_and_length_prefixed_parts():
    parts = [PREV, b"17", b"2026-11-20T17:36:00.000001Z", '{"event":"ünïcode"}'.encode()]
    message = b"keyward-audit-v1" + b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    assert chain.compute_mac(KEY, *parts) == hmac.new(KEY, message, hashlib.sha256).digest()


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
def test_the_mac_of_many_rows_is_the_same(length: int):
    key, mac = b"k" * length, chain.build_mac_function(b"k" * length)

    for seq, body in ((b"1", b"{}"), (b"12", b"x" * 5000)):
        assert mac(PREV, seq, b"at", body) == chain.compute_mac(key, PREV, seq, b"at", body)


def test_no_byte_can_move_between_neighbouring_parts():
    macs = {
        chain.compute_mac(KEY, PREV, b"12", b"3", b"body"),
        chain.compute_mac(KEY, PREV, b"1", b"23", b"body"),
        chain.compute_mac(KEY, PREV, b"12", b"3b", b"ody"),
        chain.compute_mac(KEY, PREV + b"1", b"2", b"3", b"body"),
    }

    assert len(macs) == 4


def test_the_canonical_text_does_not_depend_on_the_order_of_names():
    assert format_canonical({"b": 1, "a": [True, None, 1.5]}) == '{"a":[true,null,1.5],"b":1}'
    assert format_canonical({"a": [True, None, 1.5], "b": 1}) == '{"a":[true,null,1.5],"b":1}'


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{RIGHT-TO-LEFT OVERRIDE}"),
        ("é\r\n\t\x1b", "é\r\n\t\x1b"),
        ("x" * 5000, "x" * 3999 + "…"),
    ],
)
def test_text_is_made_storable_everywhere_in_a_body(hostile: str, kept: str):
    body = json.loads(format_canonical({"value": hostile, "list": [hostile], "map": {hostile: hostile}}))

    assert body == {"value": kept, "list": [kept], "map": {kept: kept}}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"bytes", object(), {1, 2}, datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_what_json_does_not_know_is_refused(value: object):
    with pytest.raises(TypeError, match="no form in JSON"):
        format_canonical({"value": value})


def test_an_instant_is_utc_with_microseconds():
    at = datetime(2026, 11, 20, 18, 36, 0, 7, tzinfo=timezone(timedelta(hours=1)))

    assert chain.format_instant(at) == "2026-11-20T17:36:00.000007Z"
    assert chain.format_instant(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000000Z"
