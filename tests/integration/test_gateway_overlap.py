"""A new secret's first allowed use ends the old one's overlap: with its event, before the call is let in, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from audit.models import Call, Event
from core.actor import Actor
from keys.crypto.secrets import generate_token
from keys.models import Key, Secret
from keys.services.overlap import end_early
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, a_secret, an_api
from tests.gateways import Answer, Asker, gateway
from tests.signed_requests import signed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])

CLIENT = Actor("system", "gateway", "The first use of the new secret", "203.0.113.7")


def changed(key: KeyAndToken, *, ends_on_use: bool = True) -> KeyAndToken:
    """Return the key with a new secret; the old one goes on for an hour."""
    Secret.objects.filter(key=key.key).update(retires_at=timezone.now() + timedelta(hours=1), ends_on_use=ends_on_use)
    token = generate_token(settings.TOKEN_PREFIX, key.key.public_id).token
    a_secret(key.key, token)
    return KeyAndToken(key.key, token)


@pytest.fixture
def old() -> KeyAndToken:
    account = an_account()
    return a_key(account, a_user(account, "alice"), an_api(credentials=["bearer"]))


def events(key: KeyAndToken) -> list[Event]:
    return list(Event.objects.filter(name="key.overlap_ended", target_id=key.key.public_id))


def ask(ports: list[int], *tokens: str) -> list[Answer]:
    """All at once, at each process in turn."""

    async def at_once() -> list[Answer]:
        async def one(place: int, token: str) -> Answer:
            async with Asker(ports[place % len(ports)]) as asker:
                return await asker.verify(token, address="203.0.113.7")

        return await asyncio.gather(*(one(place, token) for place, token in enumerate(tokens)))

    return asyncio.run(at_once())


def test_the_first_use_of_the_new_secret_ends_the_old_one(old: KeyAndToken):
    new = changed(old)
    with gateway(TEST_MODELS="1") as running:
        assert ask([running.port], old.token)[0].status == 200
        assert events(old) == []
        (first,) = ask([running.port], new.token)
        assert first.status == 200
        assert [answer.refusal for answer in ask([running.port], old.token, new.token)] == ["secret_retired", ""]
    (event,) = events(old)
    assert (event.account_id, event.actor_kind, event.actor_id) == (old.key.account_id, "system", "gateway")
    assert (event.address, event.request_id) == ("203.0.113.7", first.headers["x-request-id"])
    retired = Secret.objects.get(key=old.key, retires_at__isnull=False)
    assert retired.retires_at is not None
    assert retired.retires_at <= timezone.now()
    call = Call.objects.get(request_id=first.headers["x-request-id"])
    assert (call.decision, call.time >= event.at) == ("allowed", True)


def test_many_first_uses_at_two_processes_end_it_once(old: KeyAndToken):
    new = changed(old)
    with gateway(TEST_MODELS="1") as one, gateway(TEST_MODELS="1") as other:
        answers = ask([one.port, other.port], *[new.token] * 40)
    assert {answer.status for answer in answers} == {200}
    assert len(events(old)) == 1
    assert Call.objects.filter(key_id=old.key.public_id, decision="allowed").count() == 40


def test_a_refused_use_ends_nothing_and_neither_does_one_that_was_not_to(old: KeyAndToken):
    new = changed(old)
    Key.objects.update(enabled=False)
    with gateway(TEST_MODELS="1") as running:
        assert ask([running.port], new.token)[0].refusal == "key_disabled"
        Key.objects.update(enabled=True)
        Secret.objects.filter(key=old.key, retires_at__isnull=False).update(ends_on_use=False)
        assert {answer.status for answer in ask([running.port], new.token, old.token)} == {200}
    assert events(old) == []


@pytest.fixture
def no_events() -> Iterator[None]:
    """The trail takes nothing."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event ADD CONSTRAINT closed CHECK (false) NOT VALID")
        yield
        cursor.execute("ALTER TABLE audit_event DROP CONSTRAINT IF EXISTS closed")


@pytest.mark.quality(19)
def test_without_its_event_the_overlap_goes_on_and_the_call_is_refused(old: KeyAndToken, no_events: None):
    new = changed(old)
    with gateway(TEST_MODELS="1") as running:
        assert [answer.refusal for answer in ask([running.port], new.token)] == ["unavailable"]
        assert [answer.refusal for answer in ask([running.port], old.token)] == [""]
        with connections["maintenance"].cursor() as cursor:
            cursor.execute("ALTER TABLE audit_event DROP CONSTRAINT closed")
        assert [answer.refusal for answer in ask([running.port], new.token)] == [""]
    assert len(events(old)) == 1


def test_signatures_by_the_old_secret_end_with_it():
    account = an_account()
    old = a_key(account, a_user(account, "alice"), an_api(credentials=["signature"]))
    new = changed(old)
    seen = []

    async def in_turn(port: int) -> None:
        async with Asker(port) as asker:
            for key in (old, new, old, new):
                seen.append((await asker.verify(None, extra=signed(key))).refusal)

    with gateway(TEST_MODELS="1") as running:
        asyncio.run(in_turn(running.port))
    assert seen == ["", "", "invalid_credentials", ""]
    assert Secret.objects.get(key=old.key, retires_at__isnull=False).sealed is None


def test_the_service_does_it_once_and_only_where_it_was_asked_for(old: KeyAndToken):
    current = Secret.objects.get(key=old.key)
    assert not end_early(secret_id=current.pk, by=CLIENT)
    changed(old, ends_on_use=False)
    assert not end_early(secret_id=current.pk, by=CLIENT)
    Secret.objects.filter(pk=current.pk).update(ends_on_use=True)
    assert end_early(secret_id=current.pk, by=CLIENT)
    assert not end_early(secret_id=current.pk, by=CLIENT)
    assert len(events(old)) == 1
    Secret.objects.filter(pk=current.pk).delete()
    assert not end_early(secret_id=current.pk, by=CLIENT)
