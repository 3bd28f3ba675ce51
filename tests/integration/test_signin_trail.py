"""Who came, who tried, who left: each on the trail with the address, and nobody comes in unseen."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from accounts.signin import adapter
from audit.models import Event
from tests.factories.accounts import PASSWORD

pytestmark = pytest.mark.django_db
ADDRESS = "127.0.0.1"


def last() -> Event:
    return Event.objects.latest("seq")


def data(event: Event) -> dict[str, str]:
    return json.loads(event.body)["data"]


def test_signing_in_is_recorded(client: Client, alice: User) -> None:
    response = client.post("/login/", {"login": alice.email, "password": PASSWORD})

    event = last()
    assert (event.name, event.actor, event.actor_id) == ("user.signed_in", alice.email, str(alice.pk))
    assert (event.address, event.account_id, data(event)) == (ADDRESS, alice.account_id, {"method": "password"})
    assert event.request_id == response.headers["X-Request-Id"]


def test_signing_out_is_recorded(client: Client, alice: User) -> None:
    client.force_login(alice)

    client.post("/logout/")

    event = last()
    assert (event.name, event.actor, event.address) == ("user.signed_out", alice.email, ADDRESS)
    assert event.account_id == alice.account_id


def test_a_wrong_password_is_recorded_in_the_users_account(client: Client, alice: User) -> None:
    client.post("/login/", {"login": "ALICE@acme.example", "password": "a wrong password"})

    event = last()
    assert (event.name, event.actor_kind, event.address) == ("user.sign_in_failed", "client", ADDRESS)
    assert (event.account_id, event.target, data(event)) == (alice.account_id, alice.email, {"email": alice.email})
    assert "a wrong password" not in event.body


def test_an_unknown_address_is_recorded_as_it_was_typed(client: Client, db: None) -> None:
    client.post("/login/", {"login": "=cmd@acme.example", "password": "a wrong password"})

    event = last()
    assert (event.name, event.account_id, event.target) == ("user.sign_in_failed", None, None)
    assert data(event) == {"email": "=cmd@acme.example"}


def test_the_right_password_of_an_inactive_user_is_a_failed_sign_in(client: Client, alice: User) -> None:
    User.objects.update(is_active=False)

    client.post("/login/", {"login": alice.email, "password": PASSWORD})

    assert last().name == "user.sign_in_failed"


def test_without_its_event_there_is_no_sign_in(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr(adapter, "record", broken)
    client.raise_request_exception = False

    response = client.post("/login/", {"login": alice.email, "password": PASSWORD})

    assert response.status_code == 500
    assert client.get("/").status_code == 302


def test_without_its_event_there_is_no_sign_out(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the trail is full")

    client.force_login(alice)
    monkeypatch.setattr(adapter, "record", broken)
    client.raise_request_exception = False

    assert client.post("/logout/").status_code == 500
    assert client.get("/").status_code == 200


def test_a_sign_in_from_a_new_address_is_told_by_mail(
    alice: User, django_capture_on_commit_callbacks: Callable, mailoutbox: list
) -> None:
    for address in ("203.0.113.8", "203.0.113.8", "198.51.100.7", "2001:db8::1", "2001:db8::2"):
        with django_capture_on_commit_callbacks(execute=True):
            Client(REMOTE_ADDR=address).post("/login/", {"login": alice.email, "password": PASSWORD})

    assert [mail.to for mail in mailoutbox] == [[alice.email]] * 2
    assert "198.51.100.7" in mailoutbox[0].body
    assert "2001:db8::1" in mailoutbox[1].body
