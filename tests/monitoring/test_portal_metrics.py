"""The portal's /metrics: for who has the token, whole over its processes, and nothing about anybody."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config.portal_metrics import counters, database
from core.permissions import Role
from keys.notices.models import Delivery, Endpoint, Notice
from tests.factories.accounts import PASSWORD, a_user, an_account

TOKEN = "a-token-of-the-tests-of-some-length"
# Another worker of the same server.
ANOTHER = 7


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client, **headers: str) -> tuple[str, dict[tuple[str, ...], float]]:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"} | headers)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    text = response.content.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return text, {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def get_growth(before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float], *name: str) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)


@pytest.mark.django_db(transaction=True)
def test_requests_events_and_mails_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    _, before = scrape(client, host="any.example")

    client.post("/login/", {"login": alice.email, "password": "wrong"})
    client.post("/login/", {"login": alice.email, "password": PASSWORD})
    client.get("/keys/")
    client.get("/nowhere/")
    client.post(f"/users/{alice.pk}/end-sessions/")
    monkeypatch.setattr(EmailBackend, "send_messages", lambda *_: 1 / 0)
    client.post("/login/", {"login": alice.email, "password": PASSWORD})
    client.post(f"/users/{alice.pk}/end-sessions/")
    text, after = scrape(client)

    total = "keyward_portal_requests_total"
    assert get_growth(before, after, total, "key-list", "2xx") == 1
    assert get_growth(before, after, total, "", "4xx") == 1
    assert get_growth(before, after, total, "user-end-sessions", "3xx") == 2
    assert get_growth(before, after, "keyward_portal_request_seconds_count") >= 7
    assert get_growth(before, after, "keyward_portal_events_total", "user.sign_in_failed") == 1
    assert get_growth(before, after, "keyward_portal_events_total", "user.sessions_ended") == 2
    assert get_growth(before, after, "keyward_portal_mails_total", "sent") == 1
    assert get_growth(before, after, "keyward_portal_mails_total", "failed") == 1
    for hidden in (alice.email, "acme", "Alice", "127.0.0.1"):
        assert hidden not in text


@pytest.mark.django_db
def test_every_process_is_in_the_sums(client: Client) -> None:
    _, before = scrape(client)
    child = os.fork()
    if child == 0:
        counters.use_row(ANOTHER)
        counters.count_event("key.revealed")
        os._exit(0)
    os.waitpid(child, 0)
    counters.count_event("key.revealed")
    _, after = scrape(client)
    assert get_growth(before, after, "keyward_portal_events_total", "key.revealed") == 2


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"])
def test_without_the_token_nothing_is_said(client: Client, given: str) -> None:
    response = client.get("/metrics", headers={"Authorization": given} if given else {})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"keyward_" not in response.content


@pytest.mark.django_db
def test_without_a_configured_token_there_is_no_such_page(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.django_db
def test_it_is_read_only(client: Client) -> None:
    assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


@pytest.mark.django_db
def test_the_databases_state(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    _, samples = scrape(client)
    assert samples[("keyward_portal_database_up",)] == 1
    assert abs(samples[("keyward_database_size_bytes",)] - size) < size / 2
    assert 0 < samples[("keyward_database_connections",)] <= samples[("keyward_database_max_connections",)]
    assert 0 <= samples[("keyward_partitions_ahead",)] <= 12


@pytest.mark.django_db
def test_a_database_that_is_away_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(database, "_read_gauges", fail)
    _, samples = scrape(client)
    assert samples[("keyward_portal_database_up",)] == 0
    assert ("keyward_database_size_bytes",) not in samples


@pytest.mark.django_db
def test_notices_that_fail_are_counted_by_channel(client: Client) -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    notice = Notice.objects.create(account=alice.account, kind="key.expiring", subject="one", data={})
    endpoint = Endpoint.objects.create(account=alice.account, url="https://hooks.example.com/")
    soon = timezone.now() + timedelta(minutes=5)

    def add(count: int, error: str, *, waits: bool = True, **recipient: Any) -> None:
        next_attempt_at = soon if waits else None
        Delivery.objects.bulk_create(
            Delivery(notice=notice, next_attempt_at=next_attempt_at, error=error, **recipient) for _ in range(count)
        )

    assert count_failing(client) == (0, 0)
    add(3, "550 no such user", user=alice)
    add(2, "The endpoint answered 500.", endpoint=endpoint)
    # Not tried yet, delivered, or given up.
    add(5, "", user=alice)
    add(6, "", user=alice, waits=False)
    add(7, "550 no such user", user=alice, waits=False)
    assert count_failing(client) == (3, 2)


def count_failing(client: Client) -> tuple[float, float]:
    _, samples = scrape(client)
    return samples["keyward_notices_failing", "mail"], samples["keyward_notices_failing", "webhook"]
