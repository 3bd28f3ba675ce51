"""Roles: who may grant them, and that an account always keeps an Administrator, also when two try at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from accounts import services
from accounts.models import Account, User
from accounts.services import Invalid, LastAdministrator
from core.actor import Actor, Confirmation, ConfirmationRequired
from core.authorization import Denied
from core.permissions import Role
from tests.factories.accounts import a_user, acting, an_account

COMMAND = Actor.from_command("test")


@pytest.fixture
def acme(db: None) -> Account:
    return an_account()


@pytest.fixture
def alice(acme: Account) -> User:
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


def granting(user: User, whom: User) -> Actor:
    return acting(user).with_confirmation(Confirmation("user.roles", str(whom.pk), "password"))


def administrators(account: Account) -> int:
    return User.objects.filter(account=account, is_active=True, roles__contains=[Role.ADMINISTRATOR]).count()


def test_granting_needs_a_confirmation_of_this_very_user(acme: Account, alice: User) -> None:
    bob, carol = a_user(acme, "Bob"), a_user(acme, "Carol")

    for by in (acting(alice), granting(alice, carol)):
        with pytest.raises(ConfirmationRequired):
            services.change_roles(user=bob, roles=[Role.AUDITOR], by=by)
    assert services.change_roles(user=bob, roles=[Role.AUDITOR], by=granting(alice, bob)).roles == ["auditor"]


def test_one_role_for_another_is_a_grant_too(acme: Account, alice: User) -> None:
    bob = a_user(acme, "Bob", Role.AUDITOR)

    with pytest.raises(ConfirmationRequired):
        services.change_roles(user=bob, roles=[Role.ACCOUNT_READER], by=acting(alice))


def test_the_same_roles_in_another_order_are_no_change(acme: Account, alice: User) -> None:
    bob = a_user(acme, "Bob", Role.ACCOUNT_READER, Role.AUDITOR)
    before = bob.sessions_ended

    services.change_roles(user=bob, roles=[Role.AUDITOR, Role.ACCOUNT_READER], by=acting(alice))

    bob.refresh_from_db()
    assert bob.sessions_ended == before


def test_support_is_never_granted_here(acme: Account, alice: User) -> None:
    bob, sam = a_user(acme, "Bob"), a_user(None, "Sam", Role.SUPPORT)

    with pytest.raises(Invalid):
        services.change_roles(user=bob, roles=[Role.SUPPORT], by=granting(alice, bob))
    with pytest.raises(Invalid):
        services.change_roles(user=sam, roles=[], by=COMMAND)


def test_the_last_administrator_is_neither_removed_nor_demoted_by_anyone(acme: Account, alice: User) -> None:
    a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR)
    a_user(acme, "Ina", Role.ADMINISTRATOR, is_active=False)
    sam = a_user(None, "Sam", Role.SUPPORT)

    with pytest.raises(LastAdministrator):
        services.change_roles(user=alice, roles=[], by=acting(alice))
    for by in (COMMAND, acting(sam)):
        with pytest.raises(LastAdministrator):
            services.deactivate_user(user=alice, by=by)
    assert administrators(acme) == 1


@pytest.mark.quality(9)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("whom", ["each other", "themselves"])
@pytest.mark.slow
def test_of_two_administrators_who_demote_at_once_one_stays(alice: User, whom: str, full: bool, figure) -> None:
    assert alice.account
    bob = a_user(alice.account, "Bob", Role.ADMINISTRATOR)
    rounds = 100 if full else 15

    def demote(user: User, by: User) -> str:
        try:
            services.change_roles(user=user, roles=[], by=acting(by))
        except (Denied, LastAdministrator) as refused:
            return type(refused).__name__
        finally:
            connections.close_all()
        return "done"

    for _ in range(rounds):
        User.objects.update(roles=[Role.ADMINISTRATOR])
        with ThreadPoolExecutor(2) as pool:
            demoted = [bob, alice] if whom == "each other" else [alice, bob]
            results = sorted(pool.map(demote, demoted, [alice, bob]))

        assert results == sorted(["done", "Denied" if whom == "each other" else "LastAdministrator"])
        assert administrators(alice.account) == 1
    figure(f"{rounds} times two Administrators demoted {whom} at once: one stayed each time")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_demote_one_and_deactivate_the_other_one_stays(alice: User) -> None:
    assert alice.account
    bob = a_user(alice.account, "Bob", Role.ADMINISTRATOR)

    def act(number: int) -> str:
        try:
            if number:
                services.change_roles(user=alice, roles=[], by=COMMAND)
            else:
                services.deactivate_user(user=bob, by=COMMAND)
        except LastAdministrator:
            return "refused"
        finally:
            connections.close_all()
        return "done"

    for _ in range(10):
        User.objects.update(roles=[Role.ADMINISTRATOR], is_active=True)
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(act, range(2))) == ["done", "refused"]
        assert administrators(alice.account) == 1
