"""CORS preflights through each proxy: let through without a key where a policy says so, and nothing else is."""

from __future__ import annotations

import pytest

from keys.models import Api
from tests.proxies.client import ask
from tests.proxies.rows import row

ASKS = (("Origin", "https://shop.example"), ("Access-Control-Request-Method", "POST"))


def test_a_preflight_of_a_listed_route_reaches_the_api_without_a_key(proxy, world):
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"preflight": "allow"})
    smuggled = (("X-Preflight", "true"), ("X-Key-Id", "x"), ("X-Module", "x"))
    answer = ask(proxy.port, "/payments", method="OPTIONS", headers=(*ASKS, *smuggled))
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in answer.served["headers"])}
    assert (headers["origin"], headers["access-control-request-method"]) == ("https://shop.example", "POST")
    assert not headers.get("x-preflight")
    identity = {name: value for name, value in answer.served["identity"].items() if value}
    assert identity.pop("X-Request-Id") == answer.header("X-Request-Id")
    assert identity == {"X-Module": "payments", "X-Hlr-Lookup": "false"}
    logged = row(answer)
    assert (logged["decision"], logged["reason"], logged["rule"]) == ("allowed", "preflight", "POST /payments")
    assert (logged["account_id"], logged["key_id"], logged["method"]) == (None, "", "OPTIONS")


@pytest.mark.parametrize(
    ("target", "method", "headers"),
    [
        ("/nothing", "OPTIONS", ASKS),
        ("/payments/../nothing", "OPTIONS", ASKS),
        ("/payments", "OPTIONS", (ASKS[0], ("Access-Control-Request-Method", "DELETE"))),
        ("/payments", "OPTIONS", ASKS[:1]),
        ("/payments", "OPTIONS", ASKS[1:]),
        ("/payments", "OPTIONS", (*ASKS, ("Origin", "https://other.example"))),
        ("/payments", "OPTIONS", (*ASKS, ("Authorization", "Bearer x"))),
        ("/payments", "POST", (*ASKS, ("X-Preflight", "true"), ("X-Http-Method-Override", "OPTIONS"))),
        ("/payments", "GET", (*ASKS, ("X-Original-Method", "OPTIONS"))),
    ],
)
def test_what_is_no_preflight_needs_a_key(proxy, world, target, method, headers):
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"preflight": "allow"})
    answer = ask(proxy.port, target, method=method, headers=headers)
    assert (answer.status, answer.reached_upstream) in [(401, False), (403, False)]


def test_a_policy_that_does_not_say_so_lets_no_preflight_through(proxy, world):
    answer = ask(proxy.port, "/payments", method="OPTIONS", headers=ASKS)
    assert (answer.status, answer.header("X-Refusal")) == (401, "invalid_credentials")
