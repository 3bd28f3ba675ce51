"""The services of invitations: consent, one use for many who try, and both or neither with their events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from accounts import services
from accounts.models import Account, Invitation, User
from accounts.services import Invalid, InvalidInvitation
from core.actor import Actor, Confirmation, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from tests.factories.accounts import a_user, acting, an_account, an_invitation

CLIENT = Actor("client", "", "anonymous", "203.0.113.8", "r-1")
PASSWORD = "a long and quiet evening"


@pytest.fixture
def alice(db: None) -> User:
    return a_user(an_account(), "Alice", Role.ADMINISTRATOR)


def inviting(user: User, token: str = "form") -> Actor:
    return acting(user).with_confirmation(Confirmation("user.invite", token, "password"))


def test_inviting_needs_the_consent_of_this_form(alice: User) -> None:
    for by in (acting(alice), inviting(alice, "another form")):
        with pytest.raises(ConfirmationRequired):
            services.invite(account=alice.account, email="ivy@acme.example", form_token="form", by=by)


@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.AUDITOR, None])
def test_only_administrators_invite(alice: User, role: Role | None) -> None:
    bob = a_user(alice.account, "Bob", *([role] if role else []))

    with pytest.raises(Denied):
        services.invite(account=alice.account, email="ivy@acme.example", form_token="form", by=inviting(bob))


def test_nobody_invites_into_another_account_or_a_suspended_one(alice: User) -> None:
    with pytest.raises(Denied):
        services.invite(account=an_account("globex"), email="ivy@acme.example", form_token="form", by=inviting(alice))
    Account.objects.update(status="suspended")
    with pytest.raises(AccountNotActive):
        services.invite(account=alice.account, email="ivy@acme.example", form_token="form", by=inviting(alice))
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("field", "given"), [("email", {"email": "ivy"}), ("roles", {"roles": ["support"]}), ("roles", {"roles": ["king"]})]
)
def test_what_is_wrong_is_named(alice: User, field: str, given: dict) -> None:
    with pytest.raises(Invalid) as refusal:
        services.invite(
            account=alice.account, form_token="form", by=inviting(alice), **{"email": "ivy@acme.example"} | given
        )

    assert list(refusal.value.message_dict) == [field]


@pytest.mark.parametrize("what", ["invite", "accept"])
def test_nothing_changes_when_the_event_cannot_be_written(
    alice: User, what: str, monkeypatch: pytest.MonkeyPatch, mailoutbox: list
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the trail is full")

    _, token = an_invitation(alice.account, "ivy@acme.example")
    before = list(Invitation.objects.values())
    monkeypatch.setattr("accounts.services.invitations.record", broken)

    act = {
        "invite": lambda: services.invite(
            account=alice.account, email="ivy@acme.example", form_token="form", by=inviting(alice)
        ),
        "accept": lambda: services.accept_invitation(token=token, nickname="Ivy", password=PASSWORD, by=CLIENT),
    }[what]
    with pytest.raises(RuntimeError):
        act()

    assert list(Invitation.objects.values()) == before
    assert list(User.objects.all()) == [alice]
    assert mailoutbox == []


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_use_one_link_at_once_one_comes_in(alice: User) -> None:
    _, token = an_invitation(alice.account, "ivy@acme.example")

    def accept(number: int) -> str:
        try:
            services.accept_invitation(token=token, nickname=f"Ivy {number}", password=PASSWORD, by=CLIENT)
        except InvalidInvitation:
            return "over"
        finally:
            connections.close_all()
        return "in"

    with ThreadPoolExecutor(10) as pool:
        results = sorted(pool.map(accept, range(10)))

    assert results == ["in"] + ["over"] * 9
    assert User.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_accounts_that_invited_one_e_mail_one_gets_the_user(alice: User) -> None:
    tokens = [an_invitation(account, "ivy@acme.example")[1] for account in (alice.account, an_account("globex"))]

    def accept(token: str) -> str:
        try:
            services.accept_invitation(token=token, nickname="Ivy", password=PASSWORD, by=CLIENT)
        except (InvalidInvitation, Invalid) as refused:
            return type(refused).__name__
        finally:
            connections.close_all()
        return "in"

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(accept, tokens))

    assert results.count("in") == 1
    assert User.objects.filter(email="ivy@acme.example").count() == 1
