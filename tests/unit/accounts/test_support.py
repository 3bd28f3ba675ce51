"""Who is Support is said by the installation's operator, on the trail, and ends their sessions."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import services
from accounts.models import User
from core.authorization import Denied
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, acting, an_account
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


def run(command: str, email: str) -> str:
    out = io.StringIO()
    call_command(command, email, stdout=out)
    return out.getvalue()


def names() -> list[str]:
    return list(since_the_beginning().filter(name__regex="^(user|support)").values_list("name", flat=True))


def test_someone_new_becomes_support_and_adds_a_second_factor_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_PASSWORD", PASSWORD)

    assert run("grant_support", "Sam@Support.example") == "sam@support.example is Support.\n"

    user = User.objects.get(email="sam@support.example")
    assert (user.account, user.roles) == (None, [Role.SUPPORT])
    assert names() == ["user.created", "support.granted"]
    client = Client()
    response = client.post("/login/", {"login": user.email, "password": PASSWORD})
    assert response.headers["Location"] == "/admin/"
    assert client.get("/admin/").headers["Location"] == "/profile/second-factor/"


def test_twice_is_no_error_and_one_event() -> None:
    sam = a_user(None, "Sam")

    for _ in range(2):
        run("grant_support", sam.email)

    assert names() == ["support.granted"]


def test_a_user_of_an_account_cannot_be_support() -> None:
    alice = a_user(an_account(), "Alice")

    with pytest.raises(
        CommandError, match=r"email: alice@acme\.example is a user of Acme; Support belongs to no account"
    ):
        run("grant_support", alice.email)
    assert names() == []


def test_nor_can_who_is_deactivated() -> None:
    sam = a_user(None, "Sam", is_active=False)

    with pytest.raises(CommandError, match="is deactivated"):
        run("grant_support", sam.email)


def test_revoking_ends_the_sessions_at_once() -> None:
    sam, client = a_user(None, "Sam", Role.SUPPORT), Client()
    client.force_login(sam)

    run("revoke_support", sam.email)

    sam.refresh_from_db()
    assert sam.roles == []
    assert names() == ["support.revoked"]
    assert client.get("/profile/").headers["Location"].startswith("/login/")


@pytest.mark.parametrize(
    ("email", "message"), [("nobody@x.example", "there is no user"), ("nina@support.example", "not Support")]
)
def test_revoking_says_who_is_not_support(email: str, message: str) -> None:
    a_user(None, "Nina")

    with pytest.raises(CommandError, match=message):
        run("revoke_support", email)


def test_no_person_can_do_either() -> None:
    sam, nina = a_user(None, "Sam", Role.SUPPORT), a_user(None, "Nina")

    with pytest.raises(Denied):
        services.grant_support(user=nina, by=acting(sam))
    with pytest.raises(Denied):
        services.revoke_support(user=sam, by=acting(sam))
