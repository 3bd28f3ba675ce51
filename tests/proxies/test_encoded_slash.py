"""Encoded slashes through each proxy: where a policy allows one, what was judged is what is served."""

from __future__ import annotations

import pytest

from keys.models import Api
from tests.proxies.client import ask
from tests.proxies.rows import row

# Billing's GET /customers/{customer_id} and beneath it.
ALLOWED = {"encoded_slash": "customer_id", "unlisted_routes": "allow"}


@pytest.mark.quality(3)
@pytest.mark.parametrize(
    ("target", "judged", "rule"),
    [
        ("/customers/a%2Fb", "/customers/a%2Fb", "GET /customers/{customer_id}"),
        ("/customers/a%2fb%2Fc?x=%2F", "/customers/a%2Fb%2Fc", "GET /customers/{customer_id}"),
        ("/customers/%C3%A9%2F%41/balance", "/customers/é%2FA/balance", "GET /customers/{customer_id}/balance"),
    ],
)
def test_a_path_parameter_with_a_slash_is_served_as_it_was_judged(proxy, world, target, judged, rule):
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | ALLOWED)
    _, token = world.key()
    answer = ask(proxy.port, target, token=token)
    assert answer.served["path"] == target.partition("?")[0]
    logged = row(answer)
    assert (logged["path"], logged["rule"], logged["decision"]) == (judged, rule, "allowed")


@pytest.mark.quality(3)
@pytest.mark.parametrize(
    "target",
    [
        *(
            "/customers/a%2F..%2Fb",
            "/customers/..%2Fb",
            "/customers/a%2F%2Fb",
            "/customers/%2Fa",
            "/customers/a%2F%2e%2e",
        ),
        *("/customers%2Fa", "/customers/a%2Fb/nothing", "/customers/a%2Fb%5Cc", "/customers/a%252Fb", "/nothing/a%2Fb"),
        *(
            "/customers/a%2F../balance",
            "/%2Fcustomers/a",
            "/customers/a%2Fb;c",
            "/customers/a/balance%2F",
            "/customers/a%2F",
        ),
    ],
)
def test_every_other_encoded_slash_stays_refused(proxy, world, target):
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | ALLOWED)
    _, token = world.key()
    answer = ask(proxy.port, target, token=token)
    assert (answer.status, answer.reached_upstream) in [(403, False), (400, False)], answer


def test_a_slash_grants_nothing_and_needs_a_policy(proxy, world):
    _, token = world.key()
    assert ask(proxy.port, "/customers/a%2Fb", token=token).header("X-Refusal") == "unreadable_request"
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | ALLOWED)
    _, token = world.key("B", modules=("invoices",))
    assert ask(proxy.port, "/customers/a%2Fb", token=token).header("X-Refusal") == "module_not_granted"
    assert ask(proxy.port, "/customers/a%2Fb").header("X-Refusal") == "invalid_credentials"
