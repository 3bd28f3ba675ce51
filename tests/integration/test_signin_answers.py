"""Sign-in says the same to everyone who may not come in, and closes every other door of django-allauth."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import Account, User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, an_account

pytestmark = pytest.mark.django_db
NEUTRAL = "Incorrect e-mail or password."


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str):
    return client.post("/login/", {"login": email, "password": password, **more})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def text(response) -> str:
    """Return the page without what differs by design: the CSRF token, and the e-mail that was typed."""
    page = response.content.decode()
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|value="[^"]*@[^"]*"', "", page)


def test_the_page_is_called_sign_in_and_leads_nowhere_else(client: Client) -> None:
    page = client.get("/login/").content.decode()

    assert "<title>Sign in" in page
    assert re.search(r"<h1>\s*Sign in\s*</h1>", page)
    assert set(re.findall(r'<a [^>]*href="([^"]*)"', page)) <= {"/", "#main", "/password/reset/"}
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page


def test_the_right_password_opens_the_overview(client: Client, alice: User) -> None:
    response = sign_in(client, " Alice@ACME.example ")

    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert signed_in(client)


def test_unknown_wrong_and_inactive_get_the_same_page(alice: User) -> None:
    a_user(alice.account, "Bob", is_active=False)

    pages = {
        text(sign_in(Client(), email, password))
        for email, password in [
            ("nobody@acme.example", PASSWORD),
            ("alice@acme.example", "a wrong password"),
            ("bob@acme.example", "a wrong password"),
            ("bob@acme.example", PASSWORD),
        ]
    }

    assert len(pages) == 1
    assert NEUTRAL in pages.pop()


@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_people_of_a_pending_or_suspended_account_sign_in(client: Client, status: Account.Status) -> None:
    a_user(an_account(status=status), "Alice", Role.ADMINISTRATOR)

    sign_in(client, "alice@acme.example")

    assert signed_in(client)


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("", PASSWORD, "This field is required"),
        ("alice@acme.example", "", "This field is required"),
        ("alice", PASSWORD, "Enter a valid email address"),
        ("alice@acme.example\x00", PASSWORD, "Null characters are not allowed"),
        ("alice@acme.example", "\x00", "Null characters are not allowed"),
        ("a" * 5000 + "@acme.example", PASSWORD, "at most 320 characters"),
        ("alice@acme.example", "x" * 50_000, NEUTRAL),
        ("alice@acme.example' OR 1=1 --", PASSWORD, "Enter a valid email address"),
    ],
)
def test_what_cannot_be_right_is_answered_at_its_field(
    client: Client, alice: User, email: str, password: str, message: str
) -> None:
    response = sign_in(client, email, password)

    assert response.status_code == 200
    assert message in response.content.decode().replace("&#x27;", "'")
    assert not signed_in(client)


def test_after_five_wrong_ones_even_the_right_one_waits(client: Client, alice: User) -> None:
    for _ in range(5):
        sign_in(client, "alice@acme.example", "a wrong password")

    response = sign_in(client, "alice@acme.example")

    assert "Too many" in response.content.decode()
    assert not signed_in(client)


def test_after_thirty_tries_a_minute_an_address_waits(client: Client, alice: User) -> None:
    for number in range(30):
        sign_in(client, f"nobody{number}@acme.example")

    response = sign_in(client, "alice@acme.example")

    assert response.status_code == 429
    assert "Wait a minute" in response.content.decode()
    assert not signed_in(client)


@pytest.mark.parametrize("next_page", ["/keys/", "/logs/?decision=denied"])
def test_one_comes_back_to_the_page_one_wanted(client: Client, alice: User, next_page: str) -> None:
    assert f'value="{next_page}"' in client.get("/login/", {"next": next_page}).content.decode()

    assert sign_in(client, alice.email, next=next_page).headers["Location"] == next_page


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "///evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "http://testserver/keys/",
        "keys/",
        "\x01/keys/",
        " //evil.example",
    ],
)
def test_nobody_is_sent_elsewhere(client: Client, alice: User, elsewhere: str) -> None:
    assert sign_in(client, alice.email, next=elsewhere).headers["Location"] == "/"


def test_who_is_signed_in_already_goes_to_the_overview(client: Client, alice: User) -> None:
    client.force_login(alice)

    assert client.get("/login/").headers["Location"] == "/"


def test_there_is_no_json_answer(client: Client, alice: User) -> None:
    for headers in ({"Accept": "application/json"}, {"X-Requested-With": "XMLHttpRequest"}):
        response = client.post("/login/", {"login": alice.email, "password": "wrong"}, headers=headers)
        assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/login/", "/logout/"])
def test_other_methods_are_refused(client: Client, path: str, method: str) -> None:
    assert getattr(client, method)(path).status_code == 405


@pytest.mark.parametrize(
    "name",
    [
        "account_signup",
        "account_inactive",
        "account_email",
        "account_reauthenticate",
        "account_change_password",
        "account_set_password",
        "mfa_index",
        "usersessions_list",
    ],
)
def test_no_other_page_of_allauth_can_be_reached(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_who_comes_from_no_readable_address_is_refused(client: Client, alice: User) -> None:
    response = client.post("/login/", {"login": alice.email, "password": PASSWORD}, REMOTE_ADDR="somewhere")

    assert response.status_code == 403
    assert not signed_in(client)


def test_a_sign_in_without_the_forms_token_is_refused(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)

    assert sign_in(client, alice.email).status_code == 403
    assert not signed_in(client)
