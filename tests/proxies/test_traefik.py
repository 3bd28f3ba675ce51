"""Traefik, by what its configuration makes it say to the gateway; the program itself is not run."""

from __future__ import annotations

import yaml

from tests.gateways import SECRET
from tests.proxies.client import Answer, ask
from tests.proxies.program import DEPLOY
from tests.proxies.test_spoofing import DECIDING, IDENTITY

MIDDLEWARES = yaml.safe_load((DEPLOY / "traefik" / "keyward.yaml").read_text())["http"]["middlewares"]
ROUTERS = yaml.safe_load((DEPLOY / "traefik" / "keyward.yaml").read_text())["http"]["routers"]
ASK = MIDDLEWARES["keyward-ask"]["forwardAuth"]
Sent = dict[str, str]


def changed(headers: Sent, middleware: str) -> Sent:
    """Return the call's headers behind a `headers` middleware: empty takes away, anything else is set."""
    custom = {name.lower(): value for name, value in MIDDLEWARES[middleware]["headers"]["customRequestHeaders"].items()}
    kept = {name: value for name, value in headers.items() if name.lower() not in custom}
    made = {name: value.replace('{{ env "KEYWARD_GATEWAY_SECRET" }}', SECRET) for name, value in custom.items()}
    return kept | {name: value for name, value in made.items() if value}


def ask_traefik(port: int, target: str, method: str, headers: Sent) -> Answer:
    """Return the question of Traefik's forwardAuth: a GET with the chosen headers, and the call in X-Forwarded ones."""
    chosen = {name.lower() for name in ASK["authRequestHeaders"]}
    question = {name: value for name, value in changed(headers, "keyward-clean").items() if name.lower() in chosen}
    question |= {
        "X-Forwarded-Method": method,
        "X-Forwarded-Uri": target,
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "127.0.0.1",
    }
    path = ASK["address"].partition(":8001")[2]
    return ask(port, path, headers=tuple(question.items()))


def test_a_call_is_decided_as_it_is_and_the_api_learns_everything(running_gateway, world):
    key, token = world.key("A", modules=("customers",))
    headers = {"authorization": f"Bearer {token}"}
    answer = ask_traefik(running_gateway.port, "/customers?page=2", "GET", headers)
    assert (answer.status, answer.header("X-Key-Id")) == (200, key.public_id)
    names = {name.lower() for name, _ in answer.headers}
    assert {name.lower() for name in ASK["authResponseHeaders"]} <= names
    answer = ask_traefik(running_gateway.port, "/payments", "POST", headers)
    assert (answer.status, answer.header("X-Refusal")) == (403, "module_not_granted")
    assert ask_traefik(running_gateway.port, "/customers", "GET", {}).status == 401


def test_nothing_that_a_client_says_moves_a_decision(running_gateway, world):
    _, token = world.key("A", modules=("customers",))
    for name, value in DECIDING.items():
        headers = {"authorization": f"Bearer {token}", name: value}
        assert (
            ask_traefik(running_gateway.port, "/payments", "POST", headers).header("X-Refusal") == "module_not_granted"
        )
        assert ask_traefik(running_gateway.port, "/customers", "GET", headers).status == 200


def test_no_identity_of_the_client_s_own_and_no_secret_reaches_the_api():
    set_by_the_answer = {name.lower() for name in ASK["authResponseHeaders"]}
    cleaned = {name.lower() for name in MIDDLEWARES["keyward-clean"]["headers"]["customRequestHeaders"]}
    for name in IDENTITY:
        assert name.lower() in set_by_the_answer | cleaned
        assert name.lower().replace("-", ".") in cleaned
    left = changed(dict.fromkeys(IDENTITY, "smuggled") | {"Authorization": "x", "X-Signature": "x"}, "keyward-clean")
    left = {name: value for name, value in left.items() if name.lower() not in set_by_the_answer}
    assert changed(left, "keyward-secrets-end") == {}
    assert ROUTERS["api"]["middlewares"] == ["keyward-clean", "keyward-ask", "keyward-secrets-end"]
    assert ASK["trustForwardHeader"] is False


def test_names_with_underscores_end_at_the_entry_point():
    static = yaml.safe_load((DEPLOY / "traefik" / "traefik.yaml").read_text())
    for point in static["entryPoints"].values():
        assert point["http"]["underscoreHeadersStrategy"] == "delete"
        assert point["forwardedHeaders"]["insecure"] is False
