"""Whatever the gateway says or fails to say, only its own yes lets a call through."""

from __future__ import annotations

import time

import pytest

from tests.gateways import free_port
from tests.proxies.client import ask
from tests.proxies.fake_gateway import fake_gateway

STATUSES = [200, 201, 202, 204, 206, 299, 301, 302, 304, 400, 401, 403, 404, 414, 418, 429, 431, 500, 502, 503, 504]


@pytest.fixture(scope="module")
def fake():
    with fake_gateway() as fake:
        yield fake


@pytest.fixture(scope="module")
def misled(program_of, fake, upstream_port):
    """A proxy that asks whatever answers in the gateway's place."""
    with program_of.serve(gateway=fake.port, upstream=upstream_port) as proxy:
        yield proxy


def test_the_gateway_s_yes_lets_through(fake, misled):
    fake.says(200, "X-Key-Id: AbCdEfGh1234")
    identity = ask(misled.port).served["identity"]
    assert {name: value for name, value in identity.items() if value} == {"X-Key-Id": "AbCdEfGh1234"}


@pytest.mark.quality(4)
def test_no_other_status_lets_anybody_through(fake, misled, figure):
    for status in STATUSES:
        fake.says(status, "Location: /", "X-Refusal: key_disabled")
        answer = ask(misled.port)
        assert not answer.reached_upstream, status
        assert answer.status == (status if status in (401, 403) else 503), status
    figure(f"{misled.kind}: {len(STATUSES)} verify statuses, none opens without the gateway's own yes")


@pytest.mark.quality(4)
@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX-Key-Id: x",
        b"\0" * 4096,
        b"HTTP/9.9 9\r\n\r\n",
    ],
)
def test_what_is_no_http_answer_lets_nobody_through(fake, misled, message):
    fake.answer = message
    answer = ask(misled.port)
    assert (answer.status, answer.json) == (503, {"code": "unavailable"})
    assert answer.header("X-Refusal") == "unavailable"


@pytest.mark.quality(4)
def test_a_gateway_that_is_down_lets_nobody_through(program_of, upstream_port):
    with program_of.serve(gateway=free_port(), upstream=upstream_port) as proxy:
        answer = ask(proxy.port)
    assert (answer.status, answer.json) == (503, {"code": "unavailable"})


@pytest.mark.quality(4)
def test_a_gateway_that_is_slow_lets_nobody_through_and_nobody_waits_long(fake, misled, monkeypatch):
    fake.says(200, "X-Key-Id: AbCdEfGh1234")
    monkeypatch.setattr(fake, "delay", 30.0)
    began = time.monotonic()
    answer = ask(misled.port, timeout=20)
    assert (answer.status, answer.json) == (503, {"code": "unavailable"})
    # After two seconds, and as long as a busy machine takes.
    assert time.monotonic() - began < 10


def test_a_refusal_of_the_api_s_own_is_not_taken_for_the_gateway_s(fake, misled):
    fake.says(200, "X-Key-Id: AbCdEfGh1234")
    answer = ask(misled.port, "/nothing/here")
    assert answer.status == 404
    assert answer.reached_upstream
    assert answer.header("X-Refusal") is None
