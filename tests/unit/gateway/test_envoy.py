"""Envoy asks with the call itself: method, path and host are the question's own, whatever its headers say."""

from __future__ import annotations

import pytest

from gateway.app import Gateway
from gateway.http.messages import Request, Response
from gateway.waiting_call import OnDecision
from keys.decision.access import Call, Decision

TOLD = [
    (b"host", b"api.example.com"),
    (b"x-gateway-secret", b"s"),
    (b"x-forwarded-for", b"198.51.100.9, 203.0.113.7"),
    (b"user-agent", b"curl/8"),
]


class Question:
    """What the gateway asks its batch to decide."""

    def __init__(self) -> None:
        self.api, self.refusal = "", ""
        self.call: Call | None = None

    def submit(self, api: str, call: Call, refusal: str, on_decision: OnDecision) -> None:
        self.api, self.call, self.refusal = api, call, refusal
        on_decision(Decision(call, None, 0.0, "invalid_credentials"), None)


class Said(list[Response]):
    """Answers without a connection."""

    def __call__(self, response: Response) -> None:
        self.append(response)

    def mark_unauthenticated(self) -> None:
        """There is no connection to doubt."""


def ask(target: bytes, *more: tuple[bytes, bytes], method: str = "GET") -> tuple[int, Question]:
    gateway, question = Gateway(conninfo="", peppers={}, secrets={"edge": "s"}), Question()
    gateway.group_commit = question  # type: ignore[assignment]
    replies = Said()
    gateway(Request(method, target, [*TOLD, *more], local=False), replies)
    return replies[0].status, question


def test_method_path_query_host_and_client_are_the_question_s_own():
    _, question = ask(b"/v1/envoy/billing/customers/1001?page=2&x=%20", method="PATCH")
    assert (question.api, question.refusal) == ("billing", "")
    assert question.call is not None
    assert (question.call.method, question.call.path) == ("PATCH", "/customers/1001")
    assert question.call.query == "page=2&x=%20"
    assert (question.call.host, str(question.call.client_address)) == ("api.example.com", "203.0.113.7")


@pytest.mark.parametrize(
    "name",
    [
        *("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-proto"),
        *("x-original-method", "x-original-uri", "x-original-host", "x_original_uri", "x.forwarded.method"),
    ],
)
def test_what_other_proxies_would_say_is_ignored_here(name):
    _, question = ask(b"/v1/envoy/billing/customers", (name.encode(), b"/invoices"), (name.encode(), b"POST"))
    assert question.refusal == ""
    assert question.call is not None
    assert (question.call.method, question.call.path) == ("GET", "/customers")
    assert question.call.host == "api.example.com"


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-gateway-secret", "x_forwarded_for", "x.api.key", "host"])
def test_what_counts_and_is_said_twice_or_in_disguise_is_unreadable(name):
    assert ask(b"/v1/envoy/billing/customers", (name.encode(), b"s"))[1].refusal == "unreadable_request"


@pytest.mark.parametrize(
    "path",
    [
        b"/a/%2e%2e/b",
        b"/a%2fb",
        b"/a#b",
        b"/a?b#c",
        b"/../verify/billing",
        b"//customers",
        b"",
        b"/a;b",
        b"/%252e",
        b"/%ff",
    ],
)
def test_the_path_is_judged_as_it_was_sent(path):
    status, question = ask(b"/v1/envoy/billing" + path)
    assert (status, question.refusal) == (401, "unreadable_request")


def test_an_api_s_slug_ends_where_the_path_begins():
    assert ask(b"/v1/envoy/billing%2Fcustomers")[1].api == "billing%2Fcustomers"
    assert ask(b"/v1/%65nvoy/billing/customers")[0] == 404
