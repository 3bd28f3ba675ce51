"""What is signed is one text, whoever builds it: the published examples, and what must not change it or must."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from keys.crypto import secrets, signatures
from keys.crypto.signatures import UnreadableQuery, build_canonical_path, build_canonical_query
from keys.decision.routes import parse_path

VECTORS = json.loads((Path(__file__).resolve().parents[3] / "docs" / "signature-vectors.json").read_text("utf-8"))


def test_there_are_enough_requests_and_their_secret_is_a_token():
    assert len(VECTORS["requests"]) == 21
    assert secrets.parse_token(VECTORS["secret"]) == VECTORS["api_id"]


@pytest.mark.quality(8)
@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_a_published_request(vector):
    raw_path, _, query = vector["target"].partition("?")
    path = parse_path(raw_path)
    assert hashlib.sha256(vector["body"].encode()).hexdigest() == vector["body_sha256"]
    assert build_canonical_path(path) == vector["canonical_path"]
    assert build_canonical_query(query) == vector["canonical_query"]
    text = signatures.build_string_to_sign(
        path=path, query=query, **{name: vector[name] for name in ("method", "timestamp", "nonce", "body_sha256")}
    )
    assert text == vector["string_to_sign"]
    assert signatures.sign(VECTORS["secret"], text) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS["recording_links"], ids=lambda vector: vector["lead_id"])
def test_a_published_recording_link(vector):
    text = signatures.build_lead_to_sign(vector["lead_id"], vector["expires"])
    assert text == vector["string_to_sign"]
    assert signatures.sign(VECTORS["secret"], text) == vector["lead_id_key"]


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("&", ""),
        ("=", "="),
        ("=1", "=1"),
        ("a", "a="),
        ("a&a=", "a=&a="),
        ("b=1&a=2", "a=2&b=1"),
        ("a=b&a=B", "a=B&a=b"),
        # By name, then value: `a=` sorts before `a-=`, although `-` is a smaller byte than `=`
        ("a-=1&a=2", "a=2&a-=1"),
        ("q=a+b", "q=a%2Bb"),
        ("q=%2b", "q=%2B"),
        ("q=%2525", "q=%2525"),
        ("q=\xe9", "q=%E9"),
        ("q=%ff%00", "q=%FF%00"),
        ("a;b=1", "a%3Bb=1"),
    ],
)
def test_a_query_has_one_form(query, canonical):
    assert build_canonical_query(query) == canonical


@pytest.mark.parametrize("query", ["%", "a=%", "a=%4", "a=%zz", "%%41=1", "a=1&b=%u0041"])
def test_a_query_whose_encoding_is_broken_has_none(query):
    with pytest.raises(UnreadableQuery):
        build_canonical_query(query)


def test_sorting_the_joined_pieces_signs_another_text():
    """Who does so is found out by a published request."""

    def joined(query: str) -> str:
        return "&".join(sorted(query.split("&")))

    queries = [vector["canonical_query"] for vector in VECTORS["requests"]]
    assert [query for query in queries if joined(query) != query] == ["a=04&a=4&a%20b=3&a-b=2&a.b=5&a10=1"]


def test_a_form_is_its_own_form():
    for vector in VECTORS["requests"]:
        assert build_canonical_query(vector["canonical_query"]) == vector["canonical_query"]
