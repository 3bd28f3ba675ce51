"""One's own profile: the password, and the sessions one has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.signin.user_agent import format_user_agent
from tests.factories.accounts import PASSWORD, a_user
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
NEW = "another password entirely"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(user: User, agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post("/login/", {"login": user.email, "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


class TestThePassword:
    def test_is_changed_with_the_current_one_and_ends_other_sessions(
        self, alice: User, django_capture_on_commit_callbacks: Callable
    ) -> None:
        here, there = signed_in(alice), signed_in(alice)
        key = here.session.session_key

        with django_capture_on_commit_callbacks(execute=True):
            response = here.post("/profile/password/", {"password": PASSWORD, "new_password": NEW})

        assert response.headers["Location"] == "/profile/"
        assert is_in(here)
        assert not is_in(there)
        assert here.session.session_key != key
        assert since_the_beginning().filter(name="password.changed", actor=alice.email).count() == 1
        assert "password" in mail.outbox[-1].subject.lower()
        assert Client().post("/login/", {"login": alice.email, "password": NEW}).headers["Location"] == "/"

    @pytest.mark.parametrize(
        ("current", "new", "message"),
        [
            ("wrong", NEW, "Incorrect password"),
            ("", NEW, "This field is required"),
            (PASSWORD, "short", "at least 10 characters"),
            (PASSWORD, "password1234", "too common"),
            (PASSWORD, "alice@acme.example", "too similar"),
        ],
    )
    def test_stays_when_something_is_wrong(self, alice: User, current: str, new: str, message: str) -> None:
        client = signed_in(alice)

        response = client.post("/profile/password/", {"password": current, "new_password": new})

        assert response.status_code == 422
        assert message in response.content.decode()
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)

    def test_keeps_every_character_of_the_new_one(self, alice: User) -> None:
        client, new = signed_in(alice), "  ünïcode \U0001f511 and spaces  "

        client.post("/profile/password/", {"password": PASSWORD, "new_password": new})

        alice.refresh_from_db()
        assert alice.check_password(new)
        assert not alice.check_password(new.strip())


class TestSessions:
    def test_are_listed_with_browser_address_and_time(self, alice: User) -> None:
        signed_in(alice, "curl/8.5.0")

        page = signed_in(alice).get("/profile/").content.decode()

        assert "Firefox on Linux" in page
        assert "curl" in page
        assert "127.0.0.1" in page
        assert page.count("This session") == 1

    def test_one_is_ended(self, alice: User) -> None:
        here, there = signed_in(alice), signed_in(alice)
        row = UserSession.objects.get(session_key=there.session.session_key)

        assert here.post(f"/profile/sessions/{row.pk}/end/").headers["Location"] == "/profile/"

        assert is_in(here)
        assert not is_in(there)
        assert json.loads(since_the_beginning().get(name="session.ended").body)["data"] == {"sessions": 1}

    def test_all_others_are_ended(self, alice: User) -> None:
        here, *others = (signed_in(alice) for _ in range(4))

        here.post("/profile/sessions/end/")

        assert is_in(here)
        assert not any(is_in(other) for other in others)
        assert json.loads(since_the_beginning().get(name="session.ended").body)["data"] == {"sessions": 3}

    def test_somebody_elses_is_not_there(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        theirs = signed_in(bob)
        row = UserSession.objects.get(user=bob)

        assert signed_in(alice).post(f"/profile/sessions/{row.pk}/end/").status_code == 404
        assert is_in(theirs)


def age(client: Client, **seconds: int) -> None:
    session = client.session
    for name, by in seconds.items():
        session[name] = int(time.time()) - by
    session.save()


class TestTheUseOfASession:
    @pytest.fixture
    def client(self, alice: User) -> Client:
        client = signed_in(alice)
        is_in(client)
        UserSession.objects.update(last_seen_at=LONG_AGO)
        return client

    def wait(self, client: Client) -> None:
        """Let the time pass after which use is stored again."""
        session = client.session
        session["seen"] -= 61
        session["use"][0] -= 61
        session.save()

    def read(self) -> tuple[str, str, bool]:
        row = UserSession.objects.get()
        return row.ip, row.user_agent, row.last_seen_at != LONG_AGO

    def test_is_stored_once_a_minute(self, client: Client, django_assert_max_num_queries: Callable) -> None:
        with django_assert_max_num_queries(3) as queries:
            client.get("/nowhere/")
        assert not [query for query in queries if not query["sql"].startswith("SELECT")]
        assert self.read() == ("127.0.0.1", FIREFOX, False)

        self.wait(client)
        is_in(client)

        assert self.read() == ("127.0.0.1", FIREFOX, True)

    @pytest.mark.parametrize(
        ("sent", "ip", "agent"),
        [({"User-Agent": "curl/8.5.0"}, "127.0.0.1", "curl/8.5.0"), ({}, "198.51.100.7", FIREFOX)],
    )
    def test_by_another_client_is_stored_at_once(
        self, client: Client, sent: dict[str, str], ip: str, agent: str
    ) -> None:
        client.get("/profile/", headers=sent, REMOTE_ADDR=ip)

        assert self.read() == (ip, agent, True)

    def test_is_not_what_a_page_asks_for_by_itself(self, client: Client) -> None:
        self.wait(client)

        client.get("/profile/", headers={"X-Background": "1"})

        assert self.read() == ("127.0.0.1", FIREFOX, False)

    def test_is_told_by_the_session_that_continues_after_a_change(self, client: Client) -> None:
        client.post("/profile/password/", {"password": PASSWORD, "new_password": NEW})

        self.wait(client)
        is_in(client)

        assert UserSession.objects.get().session_key == client.session.session_key
        assert self.read() == ("127.0.0.1", FIREFOX, True)


class TestTheEndOfASession:
    def test_comes_after_thirty_idle_minutes(self, alice: User) -> None:
        client = signed_in(alice)
        age(client, seen=settings.SESSION_IDLE_SECONDS - 5)
        assert is_in(client)
        age(client, seen=settings.SESSION_IDLE_SECONDS + 1)
        assert not is_in(client)
        assert not Session.objects.exists()

    def test_comes_after_twelve_hours_however_much_it_is_used(self, alice: User) -> None:
        client = signed_in(alice)
        age(client, began=settings.SESSION_COOKIE_AGE - 5)
        assert is_in(client)
        age(client, began=settings.SESSION_COOKIE_AGE + 1)
        assert not is_in(client)

    def test_is_put_off_by_use(self, alice: User) -> None:
        client = signed_in(alice)
        age(client, seen=100)
        is_in(client)

        assert time.time() - client.session["seen"] < 5

    def test_is_as_documented(self) -> None:
        assert (settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE) == (30 * 60, 12 * 3600)

    def test_a_form_sent_afterwards_leads_to_sign_in_and_keeps_nothing(self, alice: User) -> None:
        client = signed_in(alice)
        age(client, seen=3600)

        response = client.post("/profile/password/", {"password": PASSWORD, "new_password": NEW})

        assert response.headers["Location"] == "/login/"
        kept = [session.get_decoded() for session in Session.objects.all()]
        assert PASSWORD not in str(kept)
        assert NEW not in str(kept)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 "
         "Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1",
         "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
    ],
)  # fmt: skip
def test_a_browser_has_a_name_its_owner_knows(agent: str, name: str) -> None:
    assert format_user_agent(agent) == name
