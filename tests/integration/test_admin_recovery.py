"""Support's buttons for people who are locked out: the page says what happens, and the password is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from accounts.models import Account, User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, an_account, with_totp
from tests.responses import read_page
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    user = a_user(an_account(), "Bob")
    with_totp(user)
    return user


def names() -> list[str]:
    return list(since_the_beginning().values_list("name", flat=True))


class TestRemovingSecondFactors:
    def url(self, user: User) -> str:
        return f"/admin/accounts/user/{user.pk}/remove-second-factors/"

    def test_says_what_ends_and_removes_them_on_the_password(
        self, client: Client, support: User, bob: User, django_capture_on_commit_callbacks: Callable[..., Any]
    ) -> None:
        page = read_page(client.get(self.url(bob)))
        assert "The authenticator app, passkeys and recovery codes of bob@acme.example stop working." in page
        assert "until they add one, they sign in with the password alone" in page
        assert client.post(self.url(bob), {"password": "wrong"}).status_code == 422
        assert client.post(self.url(bob), {}).status_code == 422
        assert Authenticator.objects.filter(user=bob).exists()

        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(self.url(bob), {"password": PASSWORD}, follow=True)

        assert "The second factors of bob@acme.example are removed." in read_page(answer)
        assert not Authenticator.objects.filter(user=bob).exists()
        assert names() == ["confirmation.failed", "factors.removed"]
        assert [message.to for message in mail.outbox] == [[bob.email]]

    def test_says_when_a_new_one_is_required(self, client: Client, support: User, bob: User) -> None:
        Account.objects.update(second_factor_required=True)

        assert "they must add a new one when they next sign in" in read_page(client.get(self.url(bob)))

    def test_is_not_offered_for_who_has_none_nor_for_support(self, client: Client, support: User, bob: User) -> None:
        for user in (a_user(bob.account, "Nina"), support):
            assert "Remove second factors" not in read_page(client.get(f"/admin/accounts/user/{user.pk}/change/"))
            answer = client.post(self.url(user), {"password": PASSWORD}, follow=True)
            assert '"Remove second factors" is not possible' in read_page(answer)
        assert Authenticator.objects.filter(user=support).exists()
        assert names() == []


class TestAppointingAnAdministrator:
    def url(self, account: Account) -> str:
        return f"/admin/accounts/account/{account.pk}/appoint-administrator/"

    def test_gives_the_role_on_the_password(self, client: Client, support: User, bob: User) -> None:
        assert "Acme has no active Administrator." in read_page(client.get(self.url(bob.account)))
        given = {"email": "Bob@acme.example"}
        assert client.post(self.url(bob.account), given | {"password": "wrong"}).status_code == 422
        bob.refresh_from_db()
        assert bob.roles == []

        answer = client.post(self.url(bob.account), given | {"password": PASSWORD}, follow=True)

        assert "Acme has a new Administrator: bob@acme.example." in read_page(answer)
        bob.refresh_from_db()
        assert bob.roles == [Role.ADMINISTRATOR]
        assert names() == ["confirmation.failed", "user.roles_changed"]

    def test_invites_an_address_that_has_no_user(self, client: Client, support: User, bob: User) -> None:
        alice = a_user(bob.account, "Alice", Role.ADMINISTRATOR)
        assert f"Acme has active Administrators: {alice.email}." in read_page(client.get(self.url(bob.account)))

        given = {"email": "carol@acme.example", "password": PASSWORD}
        answer = client.post(self.url(bob.account), given, follow=True)

        assert "An invitation is sent to carol@acme.example." in read_page(answer)
        assert bob.account.invitations.get().roles == [Role.ADMINISTRATOR]

    @pytest.mark.parametrize(
        ("email", "message"),
        [("gina@globex.example", "is not a user of Acme"), ("no address", "Enter a valid email address.")],
    )
    def test_what_is_wrong_is_said(self, client: Client, support: User, bob: User, email: str, message: str) -> None:
        a_user(an_account("globex"), "Gina")

        answer = client.post(self.url(bob.account), {"email": email, "password": PASSWORD}, follow=True)

        assert message in read_page(answer)
        assert names() == []
