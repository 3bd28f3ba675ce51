"""Second factors: adding one, signing in and confirming with it, and that no code is good twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection, connections
from django.test import Client

from accounts import services
from accounts.confirmation import WrongPassword, confirm
from accounts.models import User
from accounts.signin import second_factors
from audit.models import Event
from core.actor import ConfirmationRequired
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, acting, an_account, code_of, recovery_codes_of, with_totp
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


def first_step(client: Client, user: User):
    return client.post("/login/", {"login": user.email, "password": PASSWORD, "next": "/keys/"})


def second_step(client: Client, code: str):
    return client.post("/login/second-factor/", {"code": code})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def data(name: str) -> dict:
    return json.loads(Event.objects.filter(name=name).latest("seq").body)["data"]


def seed_of(page: str) -> tuple[str, str]:
    """Return the signed seed of the page's form, and the key it shows."""
    signed = re.search(r'name="seed" value="([^"]+)"', page)
    shown = re.search(r'<dd class="mono">([A-Z2-7 ]+)</dd>', page)
    assert signed
    assert shown
    return signed[1], shown[1].replace(" ", "")


class TestAddingAnAuthenticatorApp:
    def test_shows_recovery_codes_once_and_ends_other_sessions(
        self, client: Client, alice: User, django_capture_on_commit_callbacks: Callable
    ) -> None:
        other = Client()
        client.force_login(alice)
        other.force_login(alice)
        key = client.session.session_key
        seed, secret = seed_of(client.get("/profile/totp/").content.decode())

        with django_capture_on_commit_callbacks(execute=True):
            response = client.post("/profile/totp/", {"seed": seed, "code": code_of(secret), "password": PASSWORD})

        page = response.content.decode()
        shown = [code.replace(" ", "") for code in re.findall(r"<li><code>([\d ]+)</code>", page)]
        assert response.headers["Cache-Control"] == "no-store"
        assert shown == recovery_codes_of(alice)
        assert len(shown) == 10
        assert shown[0] not in client.get("/profile/").content.decode()
        assert client.session.session_key != key
        assert client.get("/").status_code == 200
        assert other.get("/").status_code == 302
        assert data("factor.added") == {"factor": "totp"}
        assert "added" in mail.outbox[-1].subject

    def test_needs_the_apps_code_and_the_password(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        seed, secret = seed_of(client.get("/profile/totp/").content.decode())

        for code, password in (("000000", PASSWORD), (code_of(secret), "wrong"), (code_of(secret), "")):
            response = client.post("/profile/totp/", {"seed": seed, "code": code, "password": password})
            assert response.status_code == 422
            assert seed_of(response.content.decode())[1] == secret
        assert not second_factors.get_second_factors(alice)

    def test_takes_no_seed_but_ones_own(self, client: Client, alice: User) -> None:
        client.force_login(a_user(alice.account, "Bob"))
        seed, secret = seed_of(client.get("/profile/totp/").content.decode())
        client.force_login(alice)

        response = client.post("/profile/totp/", {"seed": seed, "code": code_of(secret), "password": PASSWORD})

        assert seed_of(response.content.decode())[1] != secret
        assert not second_factors.get_second_factors(alice)

    def test_keeps_nothing_readable(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        seed, secret = seed_of(client.get("/profile/totp/").content.decode())
        client.post("/profile/totp/", {"seed": seed, "code": code_of(secret), "password": PASSWORD})

        with connection.cursor() as cursor:
            cursor.execute("SELECT data::text FROM mfa_authenticator")
            stored = " ".join(row[0] for row in cursor.fetchall())
        stored += " ".join(str(session.get_decoded()) for session in Session.objects.all())
        for hidden in (secret, *recovery_codes_of(alice)):
            assert hidden not in stored
        rows = {row.type: row.data for row in Authenticator.objects.all()}
        assert second_factors.decrypt(rows["totp"]["secret"]) == secret
        assert len(second_factors.decrypt(rows["recovery_codes"]["seed"])) == 80


class TestSigningIn:
    def test_takes_the_password_and_then_a_code(self, client: Client, alice: User) -> None:
        secret = with_totp(alice)

        assert first_step(client, alice).headers["Location"] == "/login/second-factor/"
        assert not signed_in(client)
        assert client.get("/keys/").status_code == 302
        before = client.session.session_key
        response = second_step(client, code_of(secret))

        assert response.headers["Location"] == "/keys/"
        assert signed_in(client)
        assert client.session.session_key != before
        assert data("user.signed_in") == {"method": "totp"}

    def test_a_code_is_good_once_here_and_in_confirmations(self, client: Client, alice: User) -> None:
        code = code_of(with_totp(alice))
        first_step(client, alice)
        second_step(client, code)

        with pytest.raises(WrongPassword, match="Incorrect password or code"):
            confirm(alice, code, action="key.reveal", target="k1", by=acting(alice))
        again = Client()
        first_step(again, alice)
        assert "Incorrect code" in second_step(again, code).content.decode()
        assert not signed_in(again)

    def test_a_code_before_the_one_that_was_given_is_worthless(self, alice: User) -> None:
        secret = with_totp(alice)

        assert second_factors.verify_totp(alice, code_of(secret))
        assert not second_factors.verify_totp(alice, code_of(secret, -1))
        assert second_factors.verify_totp(alice, code_of(secret, 1))
        assert not second_factors.verify_totp(alice, code_of(secret, 3))

    def test_a_recovery_code_is_good_once(self, client: Client, alice: User) -> None:
        with_totp(alice)
        code = recovery_codes_of(alice)[3]

        first_step(client, alice)
        second_step(client, f"{code[:4]} {code[4:]}")
        assert signed_in(client)
        assert data("user.signed_in") == {"method": "recovery_code"}

        again = Client()
        first_step(again, alice)
        second_step(again, code)
        assert not signed_in(again)
        assert len(recovery_codes_of(alice)) == 9

    def test_five_wrong_codes_wait_and_the_right_one_too(self, client: Client, alice: User) -> None:
        secret = with_totp(alice)
        first_step(client, alice)

        for _ in range(5):
            second_step(client, "000000")
        assert "Try again in 5 minutes" in second_step(client, code_of(secret)).content.decode()
        assert not signed_in(client)
        assert since_the_beginning().filter(name="user.sign_in_failed").count() == 5

    def test_what_ends_sessions_ends_a_sign_in_that_waits(self, client: Client, alice: User) -> None:
        secret = with_totp(alice)
        first_step(client, alice)
        User.objects.filter(pk=alice.pk).update(sessions_ended=1)

        assert second_step(client, code_of(secret)).headers["Location"] == "/login/"
        assert not signed_in(client)

    def test_the_second_step_cannot_come_first(self, client: Client, alice: User) -> None:
        with_totp(alice)

        assert client.get("/login/second-factor/").headers["Location"] == "/login/"
        client.force_login(alice)
        assert client.get("/login/second-factor/").status_code == 302


class TestConfirming:
    def test_a_code_counts_for_one_action_on_one_object(self, alice: User) -> None:
        consent = confirm(alice, code_of(with_totp(alice)), action="key.reveal", target="k1", by=acting(alice))
        by = acting(alice).with_confirmation(consent)

        assert consent.method == "totp"
        with pytest.raises(ConfirmationRequired):
            by.spend_confirmation("key.reveal", "k2")
        by.spend_confirmation("key.reveal", "k1")

    def test_the_password_still_counts(self, alice: User) -> None:
        with_totp(alice)

        assert confirm(alice, PASSWORD, action="key.reveal", target="k1", by=acting(alice)).method == "password"

    def test_a_code_is_none_where_the_password_itself_is_asked(self, client: Client, alice: User) -> None:
        secret = with_totp(alice)
        client.force_login(alice)

        response = client.post("/profile/password/", {"password": code_of(secret), "new_password": "a new one 12345"})

        assert "Incorrect password" in response.content.decode()

    def test_somebody_elses_code_does_not(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        with_totp(alice)

        with pytest.raises(WrongPassword):
            confirm(alice, code_of(with_totp(bob)), action="key.reveal", target="k1", by=acting(alice))

    @pytest.mark.parametrize("answer", ["{}", "[]", "x", '{"id": 1}', '{"response": null, "rawId": "AA"}', "9" * 5000])
    def test_what_no_passkey_said_does_not(self, alice: User, answer: str) -> None:
        with pytest.raises(WrongPassword, match="passkey could not be verified"):
            confirm(alice, passkey=answer, action="key.reveal", target="k1", by=acting(alice))

    @pytest.mark.django_db(transaction=True)
    def test_twenty_parallel_uses_of_one_code_pass_once(self, alice: User) -> None:
        code = code_of(with_totp(alice))

        def use(_: int) -> bool:
            try:
                return second_factors.verify_totp(alice, code)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(20))) == 1


class TestRemoving:
    def test_needs_the_confirmation_and_takes_the_recovery_codes_along(self, client: Client, alice: User) -> None:
        with_totp(alice)
        client.force_login(alice)
        row = Authenticator.objects.get(user=alice, type="totp")

        assert client.post(f"/profile/factors/{row.pk}/remove/", {"password": "wrong"}).status_code == 422
        response = client.post(f"/profile/factors/{row.pk}/remove/", {"password": PASSWORD})

        assert response.headers["Location"] == "/profile/"
        assert not Authenticator.objects.exists()
        assert data("factor.removed") == {"factor": "totp"}
        assert client.get("/profile/").status_code == 200

    def test_recovery_codes_and_other_peoples_are_not_there(self, client: Client, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        with_totp(bob)
        with_totp(alice)
        client.force_login(alice)

        for row in (
            *Authenticator.objects.filter(user=bob),
            Authenticator.objects.get(user=alice, type="recovery_codes"),
        ):
            assert client.get(f"/profile/factors/{row.pk}/remove/").status_code == 404

    def test_who_must_have_one_keeps_the_last(self, client: Client, alice: User) -> None:
        with_totp(alice)
        type(alice.account).objects.update(second_factor_required=True)
        client.force_login(alice)
        row = Authenticator.objects.get(user=alice, type="totp")

        response = client.post(f"/profile/factors/{row.pk}/remove/", {"password": PASSWORD})

        assert "Add another one first" in response.content.decode()
        assert second_factors.get_second_factors(alice)

    def test_without_its_event_nothing_is_removed(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        with_totp(alice)
        row = Authenticator.objects.get(user=alice, type="totp")
        consent = confirm(alice, PASSWORD, action="factor.remove", target=str(row.pk), by=acting(alice))
        monkeypatch.setattr("accounts.services.factors.record", lambda *_, **__: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            services.remove_factor(user=alice, factor=row.pk, by=acting(alice).with_confirmation(consent))
        assert Authenticator.objects.filter(pk=row.pk).exists()


class TestNewRecoveryCodes:
    def test_make_the_old_ones_worthless(self, client: Client, alice: User) -> None:
        with_totp(alice)
        old = recovery_codes_of(alice)
        client.force_login(alice)

        page = client.post("/profile/recovery-codes/", {"password": PASSWORD}).content.decode()

        assert not set(old) & set(recovery_codes_of(alice))
        assert recovery_codes_of(alice)[0][4:] in page
        assert not second_factors.verify_recovery_code(alice, old[0])

    def test_are_for_who_has_a_second_factor(self, client: Client, alice: User) -> None:
        client.force_login(alice)

        assert client.get("/profile/recovery-codes/").headers["Location"] == "/profile/"


class TestWhoMustHaveOne:
    @pytest.fixture(params=["support", "account"])
    def bound(self, request: pytest.FixtureRequest) -> User:
        if request.param == "support":
            return a_user(None, "Sam", Role.SUPPORT)
        account = an_account()
        type(account).objects.update(second_factor_required=True)
        return a_user(account, "Alice", Role.ADMINISTRATOR)

    @pytest.mark.parametrize(
        "path", ["/", "/keys/", "/profile/", "/profile/password/", "/admin/", "/profile/recovery-codes/"]
    )
    def test_is_led_to_add_it_wherever_they_go(self, client: Client, bound: User, path: str) -> None:
        client.post("/login/", {"login": bound.email, "password": PASSWORD})
        assert signed_in(client)

        assert client.get(path).headers["Location"] == "/profile/second-factor/"
        assert client.post(path).headers["Location"] == "/profile/second-factor/"
        response = client.get(path, headers={"HX-Request": "true"})
        assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/profile/second-factor/")

    def test_goes_on_when_it_is_added(self, client: Client, bound: User) -> None:
        client.post("/login/", {"login": bound.email, "password": PASSWORD})
        assert 'href="/profile/totp/"' in client.get("/profile/second-factor/").content.decode()
        seed, secret = seed_of(client.get("/profile/totp/").content.decode())

        client.post("/profile/totp/", {"seed": seed, "code": code_of(secret), "password": PASSWORD})

        assert client.get("/profile/").status_code == 200
        assert client.get("/admin/").status_code == (200 if bound.is_staff else 403)

    def test_may_leave(self, client: Client, bound: User) -> None:
        client.force_login(bound)

        assert client.post("/logout/").headers["Location"] == "/login/"
