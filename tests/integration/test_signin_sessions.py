"""Sessions: a new key at sign-in, cookies that scripts cannot read, and an end the moment someone may not be there."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import services
from accounts.models import User
from accounts.signin.current_session import LAST_SEEN_AT
from config.sessions import LAST_USE_INTERVAL_SECONDS
from core.actor import Actor
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, an_account, with_totp

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("test")


@pytest.fixture
def alice() -> User:
    account = an_account()
    a_user(account, "Adam", Role.ADMINISTRATOR)
    return a_user(account, "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def inside(client: Client, alice: User) -> Client:
    client.post("/login/", {"login": alice.email, "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_the_key_that_one_came_with_is_worthless_after_sign_in(client: Client, alice: User) -> None:
    client.session["planted"] = True
    client.session.save()
    planted = client.session.session_key

    client.post("/login/", {"login": alice.email, "password": PASSWORD})

    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()
    assert is_in(client)


def test_the_session_is_in_the_database_and_its_cookie_is_for_the_browser_alone(inside: Client) -> None:
    cookie = inside.cookies["session"]

    assert Session.objects.filter(session_key=inside.session.session_key).exists()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == ""


def test_what_the_database_keeps_of_a_session_signs_nobody_in(inside: Client) -> None:
    kept = {*Session.objects.values_list("session_key", flat=True)}
    kept |= {*UserSession.objects.values_list("session_key", flat=True)}
    assert inside.session.session_key in kept
    assert inside.cookies["session"].value not in kept
    stolen = Client()
    for key in kept:
        stolen.cookies["session"] = key
        assert not is_in(stolen)
    assert is_in(inside)


def test_deactivating_ends_every_session_at_once(inside: Client, alice: User) -> None:
    assert is_in(inside)

    services.deactivate_user(user=alice, by=COMMAND)

    assert inside.get("/").headers["Location"] == "/login/?next=%2F"


def test_reactivating_does_not_bring_old_sessions_back(inside: Client, alice: User) -> None:
    services.deactivate_user(user=alice, by=COMMAND)
    services.reactivate_user(user=alice, by=COMMAND)

    assert not is_in(inside)


def test_another_password_ends_every_session(inside: Client, alice: User) -> None:
    alice.set_password("another password entirely")
    alice.save(update_fields=["password"])

    assert not is_in(inside)


def test_who_ends_their_own_sessions_is_answered_and_signed_out(inside: Client, alice: User) -> None:
    """Also in a request that was to store when the session was last used."""
    session = inside.session
    session[LAST_SEEN_AT] -= LAST_USE_INTERVAL_SECONDS
    session.save()

    answer = inside.post(f"/users/{alice.pk}/end-sessions/")

    assert (answer.status_code, answer.headers["Location"]) == (302, f"/users/{alice.pk}/")
    assert answer.cookies["session"].value == ""
    assert not is_in(inside)
    assert not Session.objects.exists()


def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(inside: Client) -> None:
    stolen = Client()
    stolen.cookies["session"] = inside.cookies["session"].value
    assert is_in(stolen)

    response = inside.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    assert not is_in(inside)
    assert not is_in(stolen)


def test_a_link_does_not_sign_out_but_asks(inside: Client) -> None:
    page = inside.get("/logout/").content.decode()

    assert "<title>Sign out" in page
    assert is_in(inside)


def test_signing_out_twice_is_no_error(inside: Client) -> None:
    inside.post("/logout/")

    assert inside.post("/logout/").headers["Location"] == "/login/"
    assert inside.get("/logout/").headers["Location"] == "/login/"


def test_support_has_no_page_here_yet_but_a_way_out(client: Client) -> None:
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client.force_login(sam)

    response = client.get("/")

    assert response.status_code == 403
    assert 'action="/logout/"' in response.content.decode()
