"""People who are locked out: who may let them back in, what it ends, whom it tells, and that it is on the trail."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import services
from accounts.models import Account, Invitation, User
from core.actor import Actor, Confirmation, ConfirmationRequired
from core.authorization import Denied
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, acting, an_account, with_totp
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = [Role.ADMINISTRATOR, Role.ACCOUNT_READER, Role.AUDITOR, None]


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def bob(acme: Account) -> User:
    return a_user(acme, "Bob", Role.AUDITOR)


@pytest.fixture
def sam() -> User:
    return a_user(None, "Sam", Role.SUPPORT)


def confirmed(user: User, action: str, target: str) -> Actor:
    return acting(user).with_confirmation(Confirmation(action=action, target=target, method="password"))


def run(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def list_events() -> list[tuple[str, str, str | None, int | None]]:
    return list(since_the_beginning().values_list("name", "actor", "target", "account_id"))


def sent() -> list[tuple[list[str], str]]:
    return [(message.to, str(message.subject)) for message in mail.outbox]


def sign_in(user: User) -> Client:
    client = Client()
    client.post("/login/", {"login": user.email, "password": PASSWORD})
    return client


class TestRemovingSecondFactors:
    @pytest.mark.parametrize("required", [False, True])
    def test_sessions_end_and_the_password_leads_in_or_to_a_new_factor(self, bob: User, required: bool) -> None:
        Account.objects.update(second_factor_required=required)
        with_totp(bob)
        signed_in, waiting = Client(), sign_in(bob)
        signed_in.force_login(bob)
        assert signed_in.get("/profile/").status_code == 200
        assert "_auth_user_id" not in waiting.session

        output = run("remove_second_factors", " Bob@Acme.example")

        assert output.startswith("The second factors of bob@acme.example are removed and their sessions have ended")
        assert ("must add a new one" in output) is required
        assert signed_in.get("/profile/").status_code == 302
        # Whoever had given the password alone does not get in by what was removed.
        assert waiting.post("/login/second-factor/", {"code": "000000"}).headers["Location"] == "/login/"
        again = sign_in(bob)
        assert "_auth_user_id" in again.session
        page = again.get("/profile/")
        assert page.headers.get("Location") == ("/profile/second-factor/" if required else None)
        assert not Authenticator.objects.filter(user=bob).exists()
        [event] = since_the_beginning().filter(name="factors.removed")
        assert json.loads(event.body)["data"] == {"factors": ["totp"]}
        assert (event.actor, event.target, event.account_id) == (
            *("manage.py remove_second_factors", bob.email),
            bob.account_id,
        )
        assert sent() == [([bob.email], "Your second factors were removed")]
        assert "The operator of this installation removed" in mail.outbox[0].body

    def test_support_confirms_for_this_user(self, bob: User, sam: User) -> None:
        with_totp(bob)
        for by in (acting(sam), confirmed(sam, "factors.remove", str(sam.pk)), confirmed(sam, "user.roles", "1")):
            with pytest.raises(ConfirmationRequired):
                services.remove_second_factors(user=bob, by=by)
        assert Authenticator.objects.filter(user=bob).exists()

        services.remove_second_factors(user=bob, by=confirmed(sam, "factors.remove", str(bob.pk)))

        assert list_events() == [("factors.removed", sam.email, bob.email, bob.account_id)]
        assert f"{sam.email} removed" in mail.outbox[0].body

    @pytest.mark.parametrize("role", REFUSED)
    @pytest.mark.parametrize("slug", ["acme", "globex"])
    def test_is_for_support_and_operators_alone(self, bob: User, role: Role | None, slug: str) -> None:
        with_totp(bob)
        account = Account.objects.filter(slug=slug).first() or an_account(slug)
        other = a_user(account, "Carol", *([role] if role else []))

        with pytest.raises(Denied):
            services.remove_second_factors(user=bob, by=confirmed(other, "factors.remove", str(bob.pk)))
        assert Authenticator.objects.filter(user=bob).exists()
        assert (list_events(), sent()) == ([], [])

    def test_those_of_support_are_removed_by_a_command_alone(self, sam: User) -> None:
        sue = a_user(None, "Sue", Role.SUPPORT)
        with_totp(sue)
        for by in (sam, sue):
            with pytest.raises(Denied):
                services.remove_second_factors(user=sue, by=confirmed(by, "factors.remove", str(sue.pk)))

        assert "must add a new one at the next sign-in" in run("remove_second_factors", sue.email)
        assert sign_in(sue).get("/admin/").headers["Location"] == "/profile/second-factor/"

    def test_without_its_event_nothing_is_removed(self, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        with_totp(bob)
        monkeypatch.setattr("accounts.services.recovery.record", lambda *_, **__: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            run("remove_second_factors", bob.email)
        assert Authenticator.objects.filter(user=bob).count() == 2
        assert sent() == []


class TestEndingSessions:
    def test_by_an_operator_with_an_event_and_a_mail(self, bob: User) -> None:
        theirs = sign_in(bob)
        assert theirs.get("/profile/").status_code == 200

        output = run("end_sessions", bob.email)
        assert output == "All sessions of bob@acme.example have ended, and they are notified by e-mail.\n"

        assert theirs.get("/profile/").status_code == 302
        assert list_events()[-1] == ("user.sessions_ended", "manage.py end_sessions", bob.email, bob.account_id)
        assert sent() == [([bob.email], "You were signed out everywhere")]


class TestAppointingAnAdministrator:
    def test_a_user_of_the_account_gets_the_role_beside_their_own(self, acme: Account, bob: User) -> None:
        theirs = sign_in(bob)

        output = run("appoint_administrator", "ACME", "Bob@acme.example")

        sessions = "their sessions have ended, and they are notified by e-mail"
        assert output == f"bob@acme.example is an Administrator of acme; {sessions}.\n"
        bob.refresh_from_db()
        assert bob.roles == [Role.ADMINISTRATOR, Role.AUDITOR]
        assert theirs.get("/profile/").status_code == 302
        assert sign_in(bob).get("/users/invite/").status_code == 200
        command = "manage.py appoint_administrator"
        assert ("user.roles_changed", command, bob.email, acme.pk) in list_events()
        assert sent() == [([bob.email], "Your roles were changed")]
        assert "The operator of this installation changed your roles" in mail.outbox[0].body

    def test_an_address_without_a_user_is_invited(self, acme: Account, sam: User) -> None:
        a_user(acme, "Gone", Role.ADMINISTRATOR, is_active=False)
        by = confirmed(sam, "administrator.appoint", "acme carol@acme.example")

        made = services.appoint_administrator(account=acme, email="Carol@acme.example", by=by)

        assert isinstance(made, Invitation)
        assert (made.email, made.roles) == ("carol@acme.example", [Role.ADMINISTRATOR])
        assert list_events() == [("user.invited", sam.email, "carol@acme.example", acme.pk)]
        assert sent() == [(["carol@acme.example"], "You are invited to Acme")]

    def test_the_other_administrators_are_told(self, acme: Account, bob: User) -> None:
        alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
        a_user(acme, "Gone", Role.ADMINISTRATOR, is_active=False)

        run("appoint_administrator", "acme", bob.email)

        assert sorted(sent()) == [
            ([alice.email], "A new Administrator of Acme"),
            ([bob.email], "Your roles were changed"),
        ]

    def test_support_confirms_this_account_and_this_address(self, acme: Account, bob: User, sam: User) -> None:
        for target in (f"globex {bob.email}", "acme carol@acme.example", bob.email):
            with pytest.raises(ConfirmationRequired):
                services.appoint_administrator(
                    account=acme, email=bob.email, by=confirmed(sam, "administrator.appoint", target)
                )
        bob.refresh_from_db()
        assert (bob.roles, list_events(), sent()) == ([Role.AUDITOR], [], [])

    @pytest.mark.parametrize("role", REFUSED)
    @pytest.mark.parametrize("slug", ["acme", "globex"])
    def test_is_for_support_and_operators_alone(self, acme: Account, bob: User, role: Role | None, slug: str) -> None:
        account = Account.objects.filter(slug=slug).first() or an_account(slug)
        other = a_user(account, "Carol", *([role] if role else []))

        with pytest.raises(Denied):
            by = confirmed(other, "administrator.appoint", f"acme {bob.email}")
            services.appoint_administrator(account=acme, email=bob.email, by=by)
        bob.refresh_from_db()
        assert (bob.roles, list_events(), sent()) == ([Role.AUDITOR], [], [])

    def test_without_its_event_nobody_is(self, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("accounts.services.roles.record", lambda *_, **__: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            run("appoint_administrator", "acme", bob.email)
        bob.refresh_from_db()
        assert (bob.roles, sent()) == ([Role.AUDITOR], [])


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("remove_second_factors", "nobody@acme.example"), "email: there is no user nobody@acme.example."),
    (("remove_second_factors", "bob@acme.example"), "email: bob@acme.example has no second factor."),
    (("end_sessions", ""), "email: there is no user ."),
    (("appoint_administrator", "initech", "bob@acme.example"), "account: there is no account initech."),
    (("appoint_administrator", "acme", "no address"), "email: Enter a valid email address."),
    (("appoint_administrator", "acme", "gina@globex.example"), "gina@globex.example is not a user of Acme. Enter"),
    (("appoint_administrator", "acme", "sam@support.example"), "sam@support.example is not a user of Acme. Enter"),
    (("appoint_administrator", "acme", "gone@acme.example"), "gone@acme.example is deactivated. Enter an active user"),
    (("appoint_administrator", "acme", "alice@acme.example"), "alice@acme.example is an Administrator of Acme already"),
]


@pytest.mark.parametrize(("command", "problem"), WRONG, ids=[" ".join(command) for command, _ in WRONG])
def test_what_is_wrong_is_said_and_changes_nothing(
    command: tuple[str, ...], problem: str, acme: Account, bob: User, sam: User, everyone: Callable[[], list]
) -> None:
    before = everyone()
    with pytest.raises(CommandError, match=problem.replace(".", r"\.")):
        run(*command)
    assert everyone() == before
    assert (list_events(), sent()) == ([], [])


@pytest.fixture
def everyone(acme: Account) -> Callable[[], list]:
    a_user(acme, "Alice", Role.ADMINISTRATOR)
    a_user(acme, "Gone", is_active=False)
    a_user(an_account("globex"), "Gina")
    return lambda: [*User.objects.order_by("pk").values_list(), *Invitation.objects.values_list()]
