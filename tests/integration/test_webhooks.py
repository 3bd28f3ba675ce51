"""Webhooks to real servers: signed, tried again; slow, dead, redirecting and hostile receivers hold up no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from accounts.models import User
from keys.models import Key
from keys.notices import http, jobs, webhooks
from keys.notices.endpoint_secrets import open_secrets
from keys.notices.models import Delivery, Endpoint
from keys.notices.services import endpoints, queue
from keys.notices.signature import build_headers
from tests import receivers
from tests.certificates import make_authority, make_certificate
from tests.factories.accounts import acting
from tests.factories.keys import a_billing_key, confirmed
from tests.factories.notices import SENDER, a_notice, an_endpoint, take_outbox
from tests.receivers import Receiver, answering, serve
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
RECEIVER = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"
ACCEPTED = answering(204)


@pytest.fixture(autouse=True)
def _loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks may go to this machine, which may be busy."""
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setattr(http, "TOTAL_TIMEOUT_SECONDS", 30.0)


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, name="Invoice robot").key


def add(alice: User, receiver: Receiver) -> Endpoint:
    return an_endpoint(alice, receiver.url, tested=False)


def make_due() -> None:
    Delivery.objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def get_only(endpoint: Endpoint) -> Delivery:
    return Delivery.objects.get(endpoint=endpoint)


class TestMessage:
    def test_it_is_small_signed_and_without_a_secret(self, alice: User, key: Key) -> None:
        with serve(ACCEPTED) as receiver:
            endpoint = add(alice, receiver)
            notice = a_notice(alice, key)
            assert jobs.send(SENDER) == 2  # and the mail

        [request], [body] = receiver.requests, receiver.bodies
        assert request.startswith(b"POST /hook HTTP/1.1\r\n")
        assert json.loads(body) == {
            "type": "key.expiring",
            "timestamp": f"{notice.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "account": "acme",
            "data": {
                "key": {"id": key.public_id, "name": "Invoice robot", "api": "billing"},
                "expires_at": "2030-01-01T00:00:00Z",
                "days": 7,
            },
        }
        assert receiver.get_headers("host") == [f"127.0.0.1:{receiver.port}"]
        assert receiver.get_headers("content-type") == ["application/json"]
        [message_id] = receiver.get_headers("webhook-id")
        assert message_id == f"msg_{notice.pk.hex}"
        delivery = get_only(endpoint)
        assert (delivery.state, delivery.status, delivery.error) == ("delivered", 204, "")
        [secret] = open_secrets(endpoint)
        assert secret.encode() not in request

    def test_after_a_rotation_it_has_both_signatures_for_a_day(self, alice: User, key: Key) -> None:
        with serve(ACCEPTED) as receiver:
            endpoint = add(alice, receiver)
            [before] = open_secrets(endpoint)
            by = confirmed(alice, "webhook.rotate", str(endpoint.pk))
            after = endpoints.rotate_secret(endpoint=endpoint, by=by).secret
            assert open_secrets(endpoint) == [after, before]
            a_notice(alice, key)
            jobs.send(SENDER)
            endpoint.secrets.exclude(retires_at=None).update(retires_at=timezone.now())
            a_notice(alice, key, "second")
            jobs.send(SENDER)
        first, second = receiver.get_headers("webhook-signature")
        assert (len(first.split()), len(second.split())) == (2, 1)
        assert endpoints.delete_retired_secrets() == 1

    def test_over_tls_the_name_is_verified_and_the_address_is_the_one_that_was_checked(
        self, alice: User, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = make_authority(tmp_path)
        right, wrong = make_certificate(tmp_path, "localhost"), make_certificate(tmp_path, "other.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        http.get_tls_context.cache_clear()
        try:
            with serve(ACCEPTED, certificate=right) as good, serve(ACCEPTED, certificate=wrong) as bad:
                named = [an_endpoint(alice, f"https://localhost:{each.port}/x", tested=False) for each in (good, bad)]
                monkeypatch.setattr(http, "resolve", _to_loopback)
                a_notice(alice, key)
                jobs.send(SENDER)
        finally:
            http.get_tls_context.cache_clear()
        assert (len(good.requests), len(bad.requests)) == (1, 0)
        assert get_only(named[0]).state == "delivered"
        assert "The certificate is not valid: Hostname mismatch" in get_only(named[1]).error

    def test_a_self_signed_certificate_is_refused(self, alice: User, key: Key, tmp_path: Path) -> None:
        make_authority(tmp_path)
        with serve(ACCEPTED, certificate=make_certificate(tmp_path, "localhost")) as receiver:
            endpoint = an_endpoint(alice, f"https://127.0.0.1:{receiver.port}/", tested=False)
            a_notice(alice, key)
            jobs.send(SENDER)
        assert receiver.requests == []
        assert "The certificate is not valid" in get_only(endpoint).error


def _to_loopback(*about: Any) -> list[Any]:
    return [ip_network("127.0.0.1/32")[0]]


FAILING: dict[str, tuple[Callable[[Receiver], receivers.Respond], str]] = {
    "that refuses": (lambda receiver: answering(500), "Answered 500."),
    "that knows no such thing": (lambda receiver: answering(404), "Answered 404."),
    "that redirects": (
        lambda receiver: answering(302, f"Location: http://127.0.0.1:{receiver.port}/elsewhere"),
        "Answered 302. Redirects are not followed.",
    ),
    "that says nothing": (receivers.hold, "No answer within 1 seconds."),
    "that drips": (receivers.drip, "No answer within 1 seconds."),
    "that never ends its head": (lambda receiver: receivers.endless_head, "The answer is not HTTP."),
    "that speaks no HTTP": (lambda receiver: lambda client: client.sendall(b"220 mail.example ESMTP\r\n"), "not HTTP"),
    "that hangs up": (lambda receiver: lambda client: None, "The answer is not HTTP."),
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_receiver(kind: str, alice: User, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost: once it works, it gets the same message under the same ID."""
    respond, words = FAILING[kind]
    with serve(ACCEPTED) as receiver:
        receiver.respond = respond(receiver)
        endpoint = add(alice, receiver)
        a_notice(alice, key)
        with monkeypatch.context() as patched:
            if words.startswith("No answer"):
                patched.setattr(http, "TOTAL_TIMEOUT_SECONDS", 1.0)
            started = time.monotonic()
            jobs.send(SENDER)
            assert time.monotonic() - started < 15
        failed = get_only(endpoint)
        assert (failed.state, failed.attempts) == ("waiting", 1)
        assert words in failed.error

        receiver.respond = ACCEPTED
        make_due()
        assert jobs.send(SENDER) == 1
        assert get_only(endpoint).state == "delivered"
    assert len(receiver.requests) == 2, "a redirect was followed"
    assert len(set(receiver.get_headers("webhook-id"))) == 1
    assert receiver.bodies[0] == receiver.bodies[1]


def test_a_huge_answer_is_not_read(alice: User, key: Key) -> None:
    sent: list[int] = []
    with serve(receivers.endless(sent)) as receiver:
        endpoint = add(alice, receiver)
        a_notice(alice, key)
        jobs.send(SENDER)
    # What the buffers between them hold.
    assert sum(sent) < 50_000_000
    assert get_only(endpoint).state == "delivered"


def test_nobody_listens(alice: User, key: Key) -> None:
    with serve(ACCEPTED) as receiver:
        endpoint = add(alice, receiver)
    a_notice(alice, key)
    jobs.send(SENDER)
    assert get_only(endpoint).error == "The connection failed: Connection refused."


@pytest.mark.parametrize("url", ["https://localhost:1/", "https://[::ffff:127.0.0.1]:1/", "https://169.254.169.254/"])
def test_a_private_address_is_not_connected_to(url: str, alice: User, key: Key, settings: Any) -> None:
    """A name is judged when it is resolved: it may lead elsewhere than when it was added."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ()
    endpoint = an_endpoint(alice, tested=False)
    Endpoint.objects.filter(pk=endpoint.pk).update(url=url)
    a_notice(alice, key)
    jobs.send(SENDER)
    assert "is not a public address" in get_only(endpoint).error


class TestQueue:
    def test_slow_and_dead_ones_hold_up_nobody(self, alice: User, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "TOTAL_TIMEOUT_SECONDS", 3.0)
        with serve(ACCEPTED) as good, serve(ACCEPTED) as slow, serve(ACCEPTED) as refusing:
            slow.respond = receivers.hold(slow)
            refusing.respond = answering(503)
            dead = [add(alice, each) for each in (slow, refusing)]
            working = add(alice, good)
            for number in range(30):
                a_notice(alice, key, str(number))
            started = time.monotonic()
            jobs.send(SENDER)
            elapsed = time.monotonic() - started
        assert Delivery.objects.filter(endpoint=working).exclude(delivered_at=None).count() == 30
        # One timeout for all thirty, beside the others.
        assert len(slow.requests) == 1
        assert elapsed < 30
        for endpoint in dead:
            assert set(Delivery.objects.filter(endpoint=endpoint).values_list("attempts", flat=True)) == {1}

    def test_what_there_was_no_time_for_waits_without_an_attempt(
        self, alice: User, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhooks, "MAX_SECONDS_PER_ENDPOINT", -1.0)
        with serve(ACCEPTED) as receiver:
            endpoint = add(alice, receiver)
            a_notice(alice, key)
            jobs.send(SENDER)
            waiting = get_only(endpoint)
            assert (waiting.attempts, waiting.state) == (0, "waiting")
            monkeypatch.setattr(webhooks, "MAX_SECONDS_PER_ENDPOINT", 20.0)
            assert jobs.send(SENDER) == 1

    def test_a_sender_that_dies_after_sending_sends_the_same_again(
        self, alice: User, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serve(ACCEPTED) as receiver:
            endpoint = add(alice, receiver)
            a_notice(alice, key)
            with monkeypatch.context() as patched:
                patched.setattr(queue, "mark_delivered", _die)
                with pytest.raises(KeyboardInterrupt):
                    webhooks.send_webhooks(SENDER)
            assert jobs.send(SENDER) == 1  # the mail; the webhook's lease has not ended
            make_due()
            assert jobs.send(SENDER) == 1
            assert get_only(endpoint).state == "delivered"
        assert len(receiver.requests) == 2
        assert len(set(receiver.get_headers("webhook-id"))) == 1

    def test_given_up_it_is_said_by_mail_and_a_delivery_ends_it(self, alice: User, key: Key) -> None:
        with serve(answering(500)) as receiver:
            endpoint = add(alice, receiver)
            a_notice(alice, key)
            Delivery.objects.filter(endpoint=endpoint).update(attempts=queue.MAX_ATTEMPTS - 1)
            jobs.send(SENDER)
            endpoint.refresh_from_db()
            assert endpoint.state == "failing"
            event = since_the_beginning().get(name="notices.given_up")
            assert (event.target_kind, event.target) == ("webhook", f"127.0.0.1:{receiver.port}")
            assert "/hook" not in event.body
            jobs.send(SENDER)
            subjects = [mail.subject for mail in take_outbox()]
            assert subjects.count("A webhook endpoint is failing") == 1

            a_notice(alice, key, "second")
            receiver.respond = ACCEPTED
            make_due()
            jobs.send(SENDER)
            endpoint.refresh_from_db()
            assert endpoint.state == "active"

    def test_a_secret_that_cannot_be_read_is_said(self, alice: User, key: Key) -> None:
        with serve(ACCEPTED) as receiver:
            endpoint = add(alice, receiver)
            other = an_endpoint(alice, receiver.url + "2", tested=False)
            endpoint.secrets.update(sealed=bytes(other.secrets.get().sealed))
            a_notice(alice, key)
            jobs.send(SENDER)
        assert get_only(endpoint).error == webhooks.UNREADABLE_SECRET
        assert get_only(other).state == "delivered"

    def test_a_disabled_one_gets_nothing_and_what_waited_is_given_up(self, alice: User, key: Key) -> None:
        with serve(answering(500)) as receiver:
            endpoint = add(alice, receiver)
            a_notice(alice, key)
            jobs.send(SENDER)
            endpoints.set_enabled(endpoint=endpoint, enabled=False, by=acting(alice))
            a_notice(alice, key, "second")
            make_due()
            jobs.send(SENDER)
        assert len(receiver.requests) == 1
        assert get_only(endpoint).state == "given_up"


def _die(**about: Any) -> None:
    raise KeyboardInterrupt


@contextmanager
def run_example(secret: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run examples/webhook_receiver.py; give its port and its process."""
    environ = os.environ | {"WEBHOOK_SECRET": secret}
    with subprocess.Popen(
        [sys.executable, RECEIVER, "--port", "0"], env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(re.findall(r"port (\d+)", process.stdout.readline())[0])
        yield port, process
        process.terminate()


class TestExample:
    """The documented receiver."""

    def test_it_takes_what_is_genuine_once(self, alice: User, key: Key) -> None:
        endpoint = an_endpoint(alice, tested=False)
        [secret] = open_secrets(endpoint)
        with run_example(secret) as (port, process):
            Endpoint.objects.filter(pk=endpoint.pk).update(url=f"http://127.0.0.1:{port}/")
            a_notice(alice, key)
            jobs.send(SENDER)
            assert get_only(endpoint).state == "delivered"
            # Sent again, it is acknowledged and not acted upon.
            endpoints.send_again(delivery=get_only(endpoint), by=acting(alice))
            jobs.send(SENDER)
            assert get_only(endpoint).state == "delivered"
            endpoints.send_test(endpoint=endpoint, by=acting(alice))
            jobs.send(SENDER)
            process.terminate()
            output = process.stdout.read()
        assert [line.split(" ")[0] for line in output.splitlines()] == ["key.expiring", "webhook.test"]

    @pytest.mark.parametrize("wrong", ["secret", "body", "id", "timestamp", "old", "future", "none"])
    def test_it_refuses_what_is_not(self, wrong: str, alice: User) -> None:
        [secret] = open_secrets(an_endpoint(alice, tested=False))
        other = open_secrets(an_endpoint(alice, "https://other.example/", tested=False))
        now, body = int(time.time()), b'{"type":"webhook.test","data":{}}'
        timestamp = now + {"old": -301, "future": 330}.get(wrong, 0)
        headers = build_headers(
            other if wrong == "secret" else [secret], message_id="msg_1", timestamp=timestamp, body=body
        )
        headers |= {"id": {"webhook-id": "msg_2"}, "timestamp": {"webhook-timestamp": str(now - 1)}}.get(wrong, {})
        if wrong == "none":
            headers = {}
        sent = body.replace(b"test", b"tset") if wrong == "body" else body
        with run_example(secret) as (port, _):
            allowed = configured.WEBHOOK_ALLOWED_NETWORKS
            assert http.post(f"http://127.0.0.1:{port}/", sent, headers, allowed) == 401
            right = build_headers([secret], message_id="msg_1", timestamp=now, body=body)
            assert http.post(f"http://127.0.0.1:{port}/", body, right, allowed) == 204
