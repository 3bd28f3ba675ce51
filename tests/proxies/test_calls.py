"""The deployed configurations: who may call is let through and named; everyone else gets a reason."""

from __future__ import annotations

import pytest

from keys.models import Key
from tests.proxies.client import ask
from tests.proxies.rows import count, row


def test_an_allowed_call_reaches_the_api_with_the_names_of_who_calls(proxy, world):
    key, token = world.key("Café 100%")
    answer = ask(proxy.port, "/customers?page=2", token=token)
    assert answer.status == 200
    # Some proxies leave an empty header out.
    identity = {name: value for name, value in answer.served["identity"].items() if value}
    assert identity.pop("X-Request-Id") == answer.header("X-Request-Id")
    assert identity == {
        "X-Key-Id": key.public_id,
        "X-Key-Name": "Caf%C3%A9 100%25",
        "X-Account": "acme",
        "X-Owner": "alice",
        "X-Modules": ",".join(module.slug for module in world.api.modules.order_by("position", "id")),
        "X-Module": "customers",
        "X-Mask-Phone-Number": "false",
        "X-Hlr-Lookup": "false",
    }
    assert (answer.served["path"], answer.served["query"]) == ("/customers", "page=2")


def test_every_call_is_a_row_that_its_request_id_finds(proxy, world):
    _, token = world.key()
    allowed = ask(proxy.port, "/customers/1001?page=2", token=token)
    denied = ask(proxy.port, "/customers", token=token[:-1])
    logged = row(allowed)
    assert (logged["decision"], logged["reason"], logged["rule"]) == ("allowed", "", "GET /customers/{customer_id}")
    assert (logged["method"], logged["path"], logged["query"]) == ("GET", "/customers/1001", "page=2")
    assert (logged["key_name"], logged["proxy"], logged["client_address"]) == ("Shop", "tests", "127.0.0.1")
    logged = row(denied)
    assert (logged["decision"], logged["reason"], logged["key_id"]) == ("denied", "invalid_credentials", "")


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
def test_both_forms_of_the_token_pass_and_end_at_the_proxy(proxy, world, scheme):
    _, token = world.key()
    answer = ask(proxy.port, headers=(("Authorization", f"{scheme} {token}"),))
    assert answer.status == 200
    assert token not in answer.body.decode()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH"])
def test_the_method_that_is_judged_is_the_client_s(proxy, world, method):
    _, token = world.key()
    target = "/customers/1001" if method == "PATCH" else "/customers"
    answer = ask(proxy.port, target, token=token, method=method, body=b"{}" if method in ("POST", "PATCH") else b"")
    assert answer.status in (200, 201)
    logged = row(answer)
    assert (logged["method"], logged["path"]) == (method, target)


def test_a_body_reaches_the_api_and_never_the_gateway(proxy, world):
    _, token = world.key()
    body = b'{"amount": "' + b"9" * 200_000 + b'"}'
    answer = ask(proxy.port, "/payments", token=token, method="POST", body=body)
    assert answer.status == 201
    assert answer.served["body_bytes"] == len(body)


def test_a_refused_call_with_a_body_is_refused_at_once(proxy, world):
    answer = ask(proxy.port, "/payments", method="POST", body=b"x" * 200_000)
    assert answer.status == 401
    assert not answer.reached_upstream


def test_bad_credentials_are_401_with_a_challenge_and_the_code(proxy, world):
    for token in (None, "nonsense", world.key().token[:-1], "a" * 7000):
        answer = ask(proxy.port, token=token)
        assert (answer.status, answer.json) == (401, {"code": "invalid_credentials"})
        assert answer.header("WWW-Authenticate") == "Bearer"
        assert answer.header("X-Refusal") == "invalid_credentials"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Content-Type") == "application/problem+json"
        assert answer.header("X-Request-Id")


def test_a_disabled_key_is_401_and_says_so(proxy, world):
    key, token = world.key()
    assert ask(proxy.port, token=token).status == 200
    Key.objects.filter(pk=key.pk).update(enabled=False)
    answer = ask(proxy.port, token=token)
    assert (answer.status, answer.json) == (401, {"code": "key_disabled"})


def test_an_address_outside_the_key_s_rules_is_403_and_told(proxy, world):
    _, token = world.key(networks=("127.0.0.9/32",))
    assert ask(proxy.port, token=token, host="127.0.0.9").status == 200
    answer = ask(proxy.port, token=token)
    assert (answer.status, answer.json) == (403, {"code": "ip_not_allowed"})
    assert answer.header("X-Client-Address") == "127.0.0.1"
    assert answer.header("X-Refusal") == "ip_not_allowed"
    assert answer.header("WWW-Authenticate") is None


def test_a_module_that_was_not_granted_is_403(proxy, world):
    _, token = world.key(modules=("customers",))
    assert ask(proxy.port, "/customers", token=token).status == 200
    answer = ask(proxy.port, "/invoices", token=token)
    assert (answer.status, answer.json) == (403, {"code": "module_not_granted"})


def test_the_api_s_own_refusals_and_errors_pass_unchanged(proxy, world):
    _, token = world.key()
    answer = ask(proxy.port, "/customers/none", token=token)
    assert answer.status == 404
    assert answer.served["path"] == "/customers/none"


def test_the_question_itself_cannot_be_asked_from_outside(proxy, world):
    _, token = world.key()
    for target in ("/_keyward/verify", "/_keyward/verify?x", "/%5fkeyward/verify"):
        assert not ask(proxy.port, target, token=token).reached_upstream


def test_a_holder_asks_whose_key_it_is_and_the_api_is_not_asked(proxy, world):
    key, token = world.key("A", modules=("customers",))
    spoofed = (("X-Forwarded-For", "127.0.0.9"), ("X-Original-Uri", "/customers"), ("X-Key-Id", "smuggled"))
    for headers in ((), spoofed):
        answer = ask(proxy.port, "/_keyward/whoami", token=token, headers=headers)
        assert answer.status == 200
        expected = {"key_id": key.public_id, "key_name": "A", "account": "acme", "owner": "alice", "api": "billing"}
        assert answer.json.items() >= expected.items()
        assert (answer.json["modules"], answer.json["client_address"]) == (["customers"], "127.0.0.1")
        logged = row(answer)
        assert (logged["decision"], logged["path"]) == ("allowed", "/_keyward/whoami")
    assert ask(proxy.port, "/_keyward/whoami").status == 401
    _, token = world.key("B", networks=("127.0.0.9/32",))
    assert ask(proxy.port, "/_keyward/whoami", token=token).header("X-Refusal") == "ip_not_allowed"


def test_a_holder_asks_why_the_last_call_was_refused(proxy, world):
    _, token = world.key("A", modules=("customers",))
    refused = ask(proxy.port, "/invoices", token=token)
    assert "last_refusal" not in ask(proxy.port, "/_keyward/whoami", token=token).json
    explained = ask(proxy.port, "/_keyward/whoami?explain=1", token=token).json["last_refusal"]
    assert (explained["code"], explained["path"]) == ("module_not_granted", "/invoices")
    assert explained["request_id"] == refused.header("X-Request-Id")
    assert ask(proxy.port, "/_keyward/whoami?explain=1", token=token[:-1]).json == {"code": "invalid_credentials"}


def test_a_wrong_gateway_secret_lets_nobody_through(program_of, running_gateway, upstream_port, world):
    _, token = world.key()
    before = count()
    with program_of.serve(gateway=running_gateway.port, upstream=upstream_port, secret="wrong") as proxy:
        answer = ask(proxy.port, token=token)
    assert (answer.status, answer.json) == (403, {"code": "gateway_secret"})
    assert count() == before
