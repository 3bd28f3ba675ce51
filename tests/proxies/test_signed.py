"""Signed requests through the proxies: the signature is judged over what arrived, the body by the API."""

from __future__ import annotations

import hashlib
import secrets
import time

import pytest

from keys.crypto.signatures import build_string_to_sign, sign
from keys.models import Api
from tests.proxies.client import Answer, ask
from tests.proxies.program import Proxy
from tests.proxies.rows import row

Headers = tuple[tuple[str, str], ...]


@pytest.fixture
def signed_world(world):
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"credentials": ["signature"]})
    world.api.refresh_from_db()
    return world


def signature(api_id: str, secret: str, method: str, path: str, query: str = "", body: bytes = b"") -> Headers:
    signed_parts = {"timestamp": str(int(time.time())), "nonce": secrets.token_urlsafe(24)}
    signed_parts["body_sha256"] = hashlib.sha256(body).hexdigest()
    text = build_string_to_sign(method=method, path=path, query=query, **signed_parts)
    return (
        ("X-Api-Id", api_id),
        ("X-Timestamp", signed_parts["timestamp"]),
        ("X-Nonce", signed_parts["nonce"]),
        ("X-Body-Sha256", signed_parts["body_sha256"]),
        ("X-Signature", sign(secret, text)),
    )


def without(headers: Headers, name: str, **other: str) -> Headers:
    return tuple((key, value) for key, value in headers if key != name) + tuple(other.items())


def refused(answer: Answer) -> str | None:
    assert not answer.reached_upstream
    return answer.header("X-Refusal")


def test_a_signed_call_is_let_through_once_and_the_api_gets_its_hash_alone(proxy: Proxy, signed_world):
    key, secret = signed_world.key()
    body = b'{"name": "Ada"}'
    headers = signature(key.public_id, secret, "POST", "/customers", body=body)
    answer = ask(proxy.port, "/customers", method="POST", headers=headers, body=body)
    assert answer.status == 201
    assert row(answer)["credential"] == "signature"
    assert answer.served["identity"]["X-Body-Sha256"] == hashlib.sha256(body).hexdigest()
    actual = " ".join(answer.served["headers"]).lower()
    assert not [name for name in ("x-signature", "x-nonce", "x-timestamp", "x-api-id") if name in actual]
    assert refused(ask(proxy.port, "/customers", method="POST", headers=headers, body=body)) == "replayed"


@pytest.mark.parametrize("query", ["page=2", "b=%C3%A9&a=1+2&&c", "a=%7e&a=~", "x=a%2Fb;c"])
def test_the_query_is_signed_as_it_is_sent(proxy: Proxy, signed_world, query):
    key, secret = signed_world.key()
    headers = signature(key.public_id, secret, "GET", "/customers", query)
    assert ask(proxy.port, f"/customers?{query}", headers=headers).status == 200
    headers = signature(key.public_id, secret, "GET", "/customers", query)
    assert refused(ask(proxy.port, f"/customers?{query}1", headers=headers)) == "invalid_credentials"


def test_what_the_signature_does_not_tell_apart_the_api_reads_alike(proxy: Proxy, signed_world):
    key, secret = signed_world.key()
    alike = (("x=%2B", "x=+", {"x": ["+"]}), ("b=1&a=&b=0", "a&b=0&b=1", {"a": [""], "b": ["0", "1"]}))
    for signed, sent, read in alike:
        headers = signature(key.public_id, secret, "GET", "/customers", signed)
        answer = ask(proxy.port, f"/customers?{sent}", headers=headers)
        assert (answer.status, answer.served["parameters"]) == (200, read)


@pytest.mark.quality(8)
def test_a_request_that_is_not_the_signed_one_is_refused(proxy: Proxy, signed_world, figure):
    key, secret = signed_world.key()
    body = b'{"name": "Ada"}'

    def fresh() -> Headers:
        return signature(key.public_id, secret, "POST", "/customers", body=body)

    for target, method in [("/payments", "POST"), ("/customers?a=b", "POST"), ("/customers", "GET")]:
        answer = ask(proxy.port, target, method=method, headers=fresh(), body=body)
        assert refused(answer) == "invalid_credentials", target
    for name, _ in fresh():
        changed = "0" * 64 if name in ("X-Body-Sha256", "X-Signature") else "1" * 16
        for headers in (without(fresh(), name), without(fresh(), name, **{name: changed})):
            answer = ask(proxy.port, "/customers", method="POST", headers=headers, body=body)
            assert refused(answer) in ("invalid_credentials", "stale_timestamp"), name
    answer = ask(proxy.port, "/customers", method="POST", headers=fresh(), body=body.replace(b"Ada", b"Eve"))
    assert (answer.status, "not the one that was signed" in answer.json["data"]["error"]) == (400, True)
    figure(f"{proxy.kind}: 14 altered requests, 13 refused by the gateway, the other body by the API")
