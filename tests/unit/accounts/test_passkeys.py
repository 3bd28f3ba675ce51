"""Passkeys: an answer is good for the user, the action and the object it was asked for, once, at our address alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.allauth_internals import WebAuthn
from accounts.confirmation import WrongPassword, confirm
from accounts.models import PasskeyChallenge, User
from accounts.signin import passkeys
from tests.factories.accounts import PASSWORD, a_user, acting
from tests.passkeys import Passkey

pytestmark = pytest.mark.django_db


def with_passkey(user: User) -> Passkey:
    device = Passkey()
    WebAuthn.add(user, "laptop", json.loads(device.make(fresh(passkeys.build_creation_options(user)))))
    return device


def fresh(options: dict[str, Any]) -> dict[str, Any]:
    """As a browser reads it."""
    return json.loads(json.dumps(options))


def build_request(user: User, action: str = "key.reveal", target: str = "k1") -> dict[str, Any]:
    return fresh(passkeys.build_request_options(user, action, target))


class TestMaking:
    def test_takes_what_was_made_for_this_user_just_now(self, alice: User) -> None:
        device = Passkey()
        answer = device.make(fresh(passkeys.build_creation_options(alice)))

        assert passkeys.verify_registration(alice, answer) == json.loads(answer)
        assert passkeys.verify_registration(alice, answer) is None

    def test_takes_no_other(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        answers = [
            Passkey().make(fresh(passkeys.build_creation_options(bob))),
            Passkey(origin="https://evil.example").make(fresh(passkeys.build_creation_options(alice))),
            Passkey(host="evil.example").make(fresh(passkeys.build_creation_options(alice))),
            Passkey().make(build_request(alice)),
            "", "{}", "[]", "null", "x" * 200_000,
        ]  # fmt: skip

        assert [passkeys.verify_registration(alice, answer) for answer in answers] == [None] * len(answers)

    def test_the_same_one_is_not_added_twice(self, alice: User) -> None:
        device = with_passkey(alice)

        assert passkeys.verify_registration(alice, device.make(fresh(passkeys.build_creation_options(alice)))) is None

    def test_is_done_on_the_profile(self, alice: User, client: Client) -> None:
        client.force_login(alice)
        page = client.get("/profile/passkeys/new/")
        options = json.loads(page.context["options"])

        response = client.post(
            "/profile/passkeys/new/", {"name": "laptop", "credential": Passkey().make(options), "password": PASSWORD}
        )

        assert "Recovery codes" in response.content.decode()
        assert passkeys.has_passkey(alice)


class TestConfirming:
    def test_counts_for_what_it_was_asked_for_once(self, alice: User) -> None:
        device = with_passkey(alice)
        answer = device.sign(build_request(alice))

        consent = confirm(alice, passkey=answer, action="key.reveal", target="k1", by=acting(alice))
        assert (consent.action, consent.target, consent.method) == ("key.reveal", "k1", "passkey")
        with pytest.raises(WrongPassword):
            confirm(alice, passkey=answer, action="key.reveal", target="k1", by=acting(alice))

    @pytest.mark.parametrize(("action", "target"), [("key.reveal", "k2"), ("key.enable", "k1"), ("sign-in", "")])
    def test_counts_for_nothing_else(self, alice: User, action: str, target: str) -> None:
        answer = with_passkey(alice).sign(build_request(alice))

        assert not passkeys.verify_assertion(alice, answer, action, target)

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda device, user: Passkey().sign(build_request(user)),
            lambda device, user: device.sign({"publicKey": {"challenge": "AAAA"}}),
            lambda device, user: device.sign(build_request(user)).replace('"signature": "', '"signature": "AA'),
        ],
        ids=["another passkey", "a challenge nobody made", "another signature"],
    )
    def test_takes_no(self, alice: User, wrong: Callable[[Passkey, User], str]) -> None:
        assert not passkeys.verify_assertion(alice, wrong(with_passkey(alice), alice), "key.reveal", "k1")

    def test_takes_no_answer_given_to_another_site(self, alice: User) -> None:
        device = with_passkey(alice)
        device.origin = "https://evil.example"

        assert not passkeys.verify_assertion(alice, device.sign(build_request(alice)), "key.reveal", "k1")

    def test_takes_no_answer_of_someone_else(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        device = with_passkey(bob)

        assert not passkeys.verify_assertion(alice, device.sign(build_request(bob)), "key.reveal", "k1")
        assert not passkeys.verify_assertion(alice, device.sign(build_request(alice)), "key.reveal", "k1")

    def test_a_challenge_lives_five_minutes_and_is_swept(self, alice: User) -> None:
        answer = with_passkey(alice).sign(build_request(alice))
        PasskeyChallenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        assert not passkeys.verify_assertion(alice, answer, "key.reveal", "k1")
        passkeys.delete_expired_challenges()
        assert not PasskeyChallenge.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_parallel_uses_of_one_answer_pass_once(self, alice: User) -> None:
        answer = with_passkey(alice).sign(build_request(alice))

        def use(_: int) -> bool:
            try:
                return passkeys.verify_assertion(alice, answer, "key.reveal", "k1")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(16))) == 1


class TestTheChallengeOfThePage:
    def test_is_for_its_action_and_object(self, alice: User, client: Client) -> None:
        device = with_passkey(alice)
        client.force_login(alice)

        options = client.post("/profile/challenge/", {"action": "key.reveal", "target": "k1"}).json()

        assert passkeys.verify_assertion(alice, device.sign(options), "key.reveal", "k1")

    @pytest.mark.parametrize(
        "data", [{}, {"action": "x" * 41}, {"action": "a", "target": "t" * 201}, {"action": "\x00"}]
    )
    def test_says_what_it_needs(self, alice: User, client: Client, data: dict[str, str]) -> None:
        with_passkey(alice)
        client.force_login(alice)

        assert client.post("/profile/challenge/", data).status_code == 400

    def test_is_for_who_has_a_passkey(self, alice: User, client: Client) -> None:
        client.force_login(alice)

        assert client.post("/profile/challenge/", {"action": "key.reveal", "target": "k1"}).status_code == 409


def test_it_signs_in_and_the_password_is_still_needed_first(alice: User, client: Client) -> None:
    device = with_passkey(alice)
    client.post("/login/", {"login": alice.email, "password": PASSWORD})
    options = json.loads(client.get("/login/second-factor/").context["passkey_options"])

    response = client.post("/login/second-factor/", {"passkey": device.sign(options)})

    assert response.headers["Location"] == "/"
    assert "_auth_user_id" in client.session
