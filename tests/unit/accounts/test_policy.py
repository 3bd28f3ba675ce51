"""The policy of roles and permissions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, connections, transaction

from accounts.models import Account, User
from core.actor import Actor
from core.authorization import AccountNotActive, Denied, has_permission, require, require_active
from core.permissions import Permission, Role
from tests.factories.accounts import a_user, acting, an_account


def test_nobody_signed_in_has_nothing() -> None:
    assert not any(has_permission(AnonymousUser(), permission) for permission in Permission)


@pytest.mark.django_db
def test_an_inactive_administrator_has_nothing() -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR, is_active=False)

    assert not any(has_permission(alice, permission) for permission in Permission)


@pytest.mark.django_db
def test_support_sees_no_keys_in_the_portal() -> None:
    sam = a_user(None, "Sam", Role.SUPPORT)

    assert not has_permission(sam, Permission.KEYS_SEE)
    assert not has_permission(sam, Permission.KEYS_SEE_OWN)
    assert has_permission(sam, Permission.PROFILE)


@pytest.mark.django_db
class TestRequire:
    def test_lets_an_administrator_change_keys_of_their_own_account(self) -> None:
        acme = an_account()

        require(acting(a_user(acme, "Alice", Role.ADMINISTRATOR)), Permission.KEYS_CHANGE, account=acme)

    def test_names_the_permission_that_is_lacking(self) -> None:
        acme = an_account()

        with pytest.raises(Denied, match="create, change or delete keys") as denied:
            require(acting(a_user(acme, "Bob", Role.AUDITOR)), Permission.KEYS_CHANGE, account=acme)

        assert denied.value.permission == Permission.KEYS_CHANGE

    def test_refuses_an_administrator_of_another_account(self) -> None:
        alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)

        with pytest.raises(Denied):
            require(acting(alice), Permission.KEYS_CHANGE, account=an_account("globex"))

    def test_refuses_someone_of_an_account_where_no_account_is_concerned(self) -> None:
        alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)

        with pytest.raises(Denied):
            require(acting(alice), Permission.KEYS_CHANGE, account=None)

    @pytest.mark.parametrize("change", [{"roles": []}, {"is_active": False}])
    def test_counts_what_was_taken_away_a_moment_ago(self, change: dict[str, object]) -> None:
        acme = an_account()
        alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
        User.objects.filter(pk=alice.pk).update(**change)

        with pytest.raises(Denied):
            require(acting(alice), Permission.KEYS_CHANGE, account=acme)

    def test_lets_support_act_on_every_account(self) -> None:
        sam = acting(a_user(None, "Sam", Role.SUPPORT))

        require(sam, Permission.KEYS_DISABLE, account=an_account())
        require(sam, Permission.ACCOUNTS_CHANGE, account=an_account("globex"))
        with pytest.raises(Denied):
            require(sam, Permission.KEYS_CHANGE, account=Account.objects.get(slug="acme"))

    @pytest.mark.parametrize("user_id", ["", "0", "999999999", "-1", "1 OR 1=1", "²"])
    def test_refuses_a_user_who_does_not_exist(self, user_id: str) -> None:
        acme = an_account()
        nobody = replace(acting(a_user(acme, "Alice", Role.ADMINISTRATOR)), id=user_id)

        with pytest.raises(Denied):
            require(nobody, Permission.KEYS_CHANGE, account=acme)

    def test_refuses_a_client_who_is_not_signed_in(self) -> None:
        with pytest.raises(Denied):
            require(Actor("client", "", "anonymous"), Permission.PROFILE, account=an_account())

    def test_leaves_commands_to_those_who_may_run_them(self) -> None:
        require(Actor.from_command("demo"), Permission.KEYS_CHANGE, account=an_account())


@pytest.mark.django_db
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_an_account_that_was_active_a_moment_ago_is_not_active(status: Account.Status) -> None:
    acme = an_account()
    Account.objects.filter(pk=acme.pk).update(status=status)

    with pytest.raises(AccountNotActive, match=f"account is {status}") as refusal:
        require_active(acme)

    assert refusal.value.status == status


@pytest.mark.django_db
def test_an_active_account_passes() -> None:
    require_active(an_account())


@pytest.mark.django_db(transaction=True)
def test_what_was_checked_cannot_be_taken_away_before_the_commit() -> None:
    acme = an_account()
    alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
    other = connections["default"].copy()
    other.inc_thread_sharing()

    with transaction.atomic():
        require(acting(alice), Permission.KEYS_CHANGE, account=acme)
        with other.cursor() as cursor:
            for table, row in (("accounts_user", alice), ("accounts_account", acme)):
                with pytest.raises(OperationalError, match="could not obtain lock"):
                    cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR NO KEY UPDATE NOWAIT", [row.pk])
    other.close()
