"""A client that says what only the proxy or the gateway may say: it changes no decision and never reaches the API."""

from __future__ import annotations

import re

import pytest

from tests.proxies.client import ask

IDENTITY = [
    *("X-Key-Id", "X-Key-Name", "X-Account", "X-Owner", "X-Modules", "X-Module", "X-Mask-Phone-Number"),
    *("X-Phone-Mask", "X-Body-Sha256", "X-Hlr-Lookup", "X-Request-Id", "X-Client-Address", "X-Gateway-Secret"),
]
# What could move a decision, with what a client would like it to be.
DECIDING = {
    "X-Forwarded-For": "127.0.0.9",
    "X-Real-Ip": "127.0.0.9",
    "Forwarded": "for=127.0.0.9",
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Uri": "/customers",
    "X-Forwarded-Host": "other.example.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/customers",
    "X-Original-Method": "GET",
    "X-Original-Uri": "/customers",
    "X-Original-Url": "/customers",
    "X-Rewrite-Url": "/customers",
    "X-Http-Method-Override": "GET",
}


def forms(name: str) -> list[str]:
    """Return the name, and five others that some server takes for it."""
    return [
        *(name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", ".")),
        name.replace("-", "_", 1) if name.count("-") > 1 else name.replace("-", "_").upper(),
    ]


def meant(header: str) -> str:
    """Return the header as the most careless server reads its name."""
    return re.sub(r"[^a-z0-9]+", "-", header.partition(":")[0].strip().lower())


@pytest.mark.quality(2)
def test_no_identity_of_the_client_s_own_reaches_the_api(proxy, world, figure):
    key, token = world.key()
    true = ask(proxy.port, token=token).served
    sent = [(form, name) for name in IDENTITY for form in forms(name)]
    for form, name in sent:
        answer = ask(proxy.port, token=token, headers=((form, "smuggled"),))
        assert answer.status == 200, form
        assert b"smuggled" not in answer.body, form
        names = [meant(header) for header in answer.served["headers"]]
        assert names.count(meant(name)) <= 1, form
        assert answer.served["identity"]["X-Key-Id"] == key.public_id
        same = {"X-Request-Id": ""}
        assert answer.served["identity"] | same == true["identity"] | same
    figure(f"{proxy.kind}: {len(sent)} smuggled identity headers, none reached the upstream")


@pytest.mark.quality(2)
def test_nothing_that_a_client_says_moves_a_decision(proxy, world, figure):
    _, refused_by_module = world.key("A", modules=("customers",))
    _, refused_by_address = world.key("B", networks=("127.0.0.9/32",))
    sent = [(form, value) for name, value in DECIDING.items() for form in forms(name)]
    for form, value in sent:
        answer = ask(proxy.port, "/payments", token=refused_by_module, method="POST", headers=((form, value),))
        assert (answer.status, answer.header("X-Refusal")) == (403, "module_not_granted"), form
        answer = ask(proxy.port, token=refused_by_address, headers=((form, value),))
        assert (answer.status, answer.header("X-Refusal")) == (403, "ip_not_allowed"), form
        assert answer.header("X-Client-Address") == "127.0.0.1", form
    figure(f"{proxy.kind}: {len(sent)} spoofed proxy headers, none moved a decision")


def test_nothing_that_overrides_method_or_path_reaches_the_api(proxy, world):
    _, token = world.key()
    for name, value in DECIDING.items():
        for form in forms(name):
            headers = ask(proxy.port, "/customers/1001", token=token, headers=((form, value),)).served["headers"]
            received = {meant(header): header.partition(": ")[2] for header in headers}
            assert received["x-forwarded-for"] == "127.0.0.1"
            assert received["x-forwarded-host"] == "api.example.com"
            assert received["x-forwarded-proto"] == "http"
            unwanted = {"forwarded", "x-real-ip", "x-forwarded-method", "x-forwarded-uri", "x-forwarded-prefix"}
            unwanted |= {"x-original-method", "x-original-uri", "x-original-url", "x-rewrite-url"}
            assert not received.keys() & (unwanted | {"x-http-method-override"}), form


def test_headers_named_in_connection_are_not_taken_away(proxy, world):
    """Traefik CVE-2024-45410: a client that lists the proxy's own headers as hop-by-hop."""
    _, token = world.key("A", networks=("127.0.0.9/32",))
    listed = "close, X-Forwarded-For, X-Original-Uri, X-Gateway-Secret, X-Key-Id"
    refused = ask(proxy.port, token=token, headers=(("Connection", listed),))
    # Envoy lets nobody list X-Forwarded-For.
    assert (refused.status, refused.header("X-Refusal")) in [(403, "ip_not_allowed"), (400, None)]
    _, token = world.key("B")
    for listed in ("close, X-Original-Uri, X-Gateway-Secret, X-Key-Id", "X-Key-Name", "Keep-Alive, X-Phone-Mask"):
        answer = ask(proxy.port, token=token, headers=(("Connection", listed),))
        assert answer.served["identity"]["X-Key-Name"] == "B"


@pytest.mark.parametrize("second", ["Authorization", "authorization", "AUTHORIZATION", "X-Api-Key"])
def test_two_credentials_are_none(proxy, world, second):
    _, token = world.key()
    answer = ask(proxy.port, token=token, headers=((second, f"Bearer {token}"),))
    assert answer.status in (400, 401)
    assert not answer.reached_upstream
