"""A new password by mail: neutral, once, within an hour, and every session ends."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.test import Client

from accounts import services
from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, acting, with_totp
from tests.factories.keys import events
from tests.responses import Response, common_headers

pytestmark = pytest.mark.django_db
NEW = "a long and quiet evening"


@pytest.fixture
def ask(django_capture_on_commit_callbacks):
    def post(email: str, client: Client | None = None, **extra: Any) -> Response:
        with django_capture_on_commit_callbacks(execute=True):
            return (client or Client()).post("/password/reset/", {"email": email}, **extra)

    return post


def link() -> str:
    found = re.search(r"http://localhost:8000(/password/reset/\S+/)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def use(client: Client, path: str, password: str = NEW, again: str | None = None) -> Response:
    """Open the link as a browser does, then send its form."""
    opened = client.get(path)
    if opened.status_code != 302:
        return opened
    return client.post(opened.headers["Location"], {"password1": password, "password2": again or password})


def may_sign_in(email: str, password: str) -> bool:
    client = Client()
    client.post("/login/", {"login": email, "password": password})
    return "_auth_user_id" in client.session


class TestAsking:
    def test_says_the_same_to_everyone_and_each_gets_a_mail(self, ask, alice: User) -> None:
        a_user(alice.account, "Ina", is_active=False)
        answers = set()
        for email in ("alice@acme.example", "ina@acme.example", "nobody@acme.example", " ALICE@acme.example"):
            response = ask(email)
            answers.add((response.status_code, response.content, common_headers(response)))

        assert len(answers) == 1
        assert answers.pop()[0] == 302
        assert [sent.subject for sent in mail.outbox] == [
            *(
                "Set a new password",
                "No user with your e-mail address",
                "No user with your e-mail address",
                "Set a new password",
            )
        ]
        assert [event.target for event in events("password.reset_requested")] == [
            *("alice@acme.example", "ina@acme.example", None, "alice@acme.example")
        ]

    def test_leads_to_our_own_address_whatever_host_was_asked(self, ask, alice: User, settings) -> None:
        settings.ALLOWED_HOSTS = ["*"]
        ask(alice.email, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})

        assert "evil.example" not in str(mail.outbox[0].body)
        assert "http://localhost:8000/password/reset/" in mail.outbox[0].body

    @pytest.mark.parametrize(
        "email", ["", "alice", "alice@acme.example\r\nBcc: eve@e.example", "a" * 255 + "@b.example"]
    )
    def test_names_an_e_mail_that_is_none(self, ask, email: str) -> None:
        assert ask(email).status_code == 422
        assert mail.outbox == []

    @pytest.mark.parametrize("email", ["alice@acme.example", "nobody@acme.example"])
    def test_five_an_hour_for_an_e_mail_known_or_not(self, ask, alice: User, email: str) -> None:
        for _ in range(5):
            assert ask(email).status_code == 302
        response = ask(email.upper())

        assert response.status_code == 429
        assert "Too many requests" in response.content.decode()
        assert len(mail.outbox) == 5

    def test_twenty_an_hour_for_an_address(self, ask, alice: User) -> None:
        for number in range(20):
            ask(f"nobody{number}@acme.example")

        assert ask(alice.email).status_code == 429


class TestTheLink:
    def test_sets_the_password_and_ends_every_session(self, ask, alice: User) -> None:
        inside = Client()
        inside.post("/login/", {"login": alice.email, "password": PASSWORD})
        ask(alice.email)
        response = use(Client(), link())

        assert response.headers["Location"] == "/password/reset/set/"
        assert inside.get("/").status_code == 302
        assert may_sign_in(alice.email, NEW)
        assert not may_sign_in(alice.email, PASSWORD)
        [event] = events("password.reset")
        assert event.target == alice.email
        assert NEW not in event.body

    def test_does_not_sign_in(self, ask, alice: User) -> None:
        ask(alice.email)
        client = Client()
        use(client, link())

        assert "_auth_user_id" not in client.session

    def test_is_no_way_around_a_second_factor(self, ask, alice: User) -> None:
        with_totp(alice)
        ask(alice.email)
        use(Client(), link())
        client = Client()
        response = client.post("/login/", {"login": alice.email, "password": NEW})

        assert response.headers["Location"].startswith("/login/second-factor/")
        assert "_auth_user_id" not in client.session

    def test_tells_the_user(self, ask, alice: User, django_capture_on_commit_callbacks) -> None:
        ask(alice.email)
        path = link()
        with django_capture_on_commit_callbacks(execute=True):
            use(Client(), path)

        assert mail.outbox[-1].subject == "Your password was changed"
        assert mail.outbox[-1].to == [alice.email]

    def test_works_once(self, ask, alice: User) -> None:
        ask(alice.email)
        path = link()
        use(Client(), path)

        assert "This link is not valid" in use(Client(), path, "another quiet evening").content.decode()
        assert may_sign_in(alice.email, NEW)

    def test_works_once_for_two_who_opened_it_at_once(self, ask, alice: User) -> None:
        ask(alice.email)
        path, first, second = link(), Client(), Client()
        opened = [client.get(path).headers["Location"] for client in (first, second)]
        first.post(opened[0], {"password1": NEW, "password2": NEW})
        second.post(opened[1], {"password1": "another quiet evening", "password2": "another quiet evening"})

        assert may_sign_in(alice.email, NEW)

    @pytest.mark.parametrize(("minutes", "good"), [(59, True), (61, False)])
    def test_lives_an_hour(self, ask, alice: User, monkeypatch: pytest.MonkeyPatch, minutes: int, good: bool) -> None:
        ask(alice.email)
        path = link()
        later = datetime.now() + timedelta(minutes=minutes)  # noqa: DTZ005
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: later)
        use(Client(), path)

        assert may_sign_in(alice.email, NEW) is good

    def test_is_worthless_once_the_user_is_inactive(self, ask, alice: User) -> None:
        ask(alice.email)
        path = link()
        User.objects.update(is_active=False)
        use(Client(), path)

        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)

    def test_is_worthless_for_another_user(self, ask, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        ask(alice.email)
        parts = link().split("/")
        ask(bob.email)
        parts[3] = link().split("/")[3]

        assert "This link is not valid" in use(Client(), "/".join(parts)).content.decode()

    @pytest.mark.parametrize(
        ("password", "again", "message"),
        [
            ("short", None, "at least 10 characters"),
            ("1234567890", None, "too common"),
            ("alice@acme.example", None, "too similar"),
            (NEW, "something else again", "same password"),
        ],
    )
    def test_says_what_is_wrong_with_a_password(
        self, ask, alice: User, password: str, again: str | None, message: str
    ) -> None:
        ask(alice.email)

        assert message in use(Client(), link(), password, again).content.decode()
        assert may_sign_in(alice.email, PASSWORD)

    def test_of_nobody_says_that_it_is_not_valid(self) -> None:
        for path in ("/password/reset/1/x-y/", "/password/reset/zzzzzzzzzzzzzzzzzzzzzz/set-password/"):
            assert "This link is not valid" in Client().get(path).content.decode()


def test_what_is_undone_leaves_the_password(ask, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the trail is full")

    ask(alice.email)
    monkeypatch.setattr("accounts.services.passwords.record", broken)
    with pytest.raises(RuntimeError):
        use(Client(), link())

    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert json.loads(events("password.reset_requested")[0].body)["data"] == {"email": alice.email}


class TestOlderLinks:
    def test_a_newer_link_ends_the_older_ones(self, ask, alice: User, client: Client) -> None:
        ask(alice.email)
        older = link()
        ask(alice.email)
        newer = link()
        assert older != newer
        assert client.get(older).status_code == 200
        use(client, older)
        assert not may_sign_in(alice.email, NEW)
        use(Client(), newer)
        assert may_sign_in(alice.email, NEW)

    def test_a_form_that_was_opened_before_the_newer_link_is_refused(self, ask, alice: User, client: Client) -> None:
        ask(alice.email)
        form = client.get(link()).headers["Location"]
        client.get(form)
        ask(alice.email)
        client.post(form, {"password1": NEW, "password2": NEW})
        assert not may_sign_in(alice.email, NEW)

    def test_deactivating_and_ending_sessions_end_the_links(self, ask, alice: User) -> None:
        admin = a_user(alice.account, "Adam", Role.ADMINISTRATOR)
        for end in (services.end_sessions, services.deactivate_user):
            ask(alice.email)
            sent = link()
            end(user=alice, by=acting(admin))
            assert "not valid" in opened_text(sent)
        services.reactivate_user(user=alice, by=acting(admin))
        assert "not valid" in opened_text(sent)


def opened_text(path: str) -> str:
    """Return the page that a link leads to."""
    client = Client()
    answer = client.get(path)
    return (client.get(answer.headers["Location"]) if answer.status_code == 302 else answer).content.decode()
