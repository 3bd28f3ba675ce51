"""Each service: what it changes, what it records, whom it refuses, and that both live or die together."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from accounts import services
from accounts.models import Account, Invitation, User
from accounts.services import Invalid, SelfDeactivation, Settings
from audit.models import Event
from core.actor import Actor
from core.authorization import Denied
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, acting, an_account, an_invitation

COMMAND = Actor.from_command("test")

NEW = {"email": "bob@acme.example", "nickname": "Bob", "password": PASSWORD}


@pytest.fixture
def acme(db: None) -> Account:
    return an_account()


@pytest.fixture
def alice(acme: Account) -> User:
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


def the_event() -> tuple[str, str | None, dict[str, Any]]:
    """Name, target and data of the only event there is."""
    event = Event.objects.latest("seq")
    return event.name, event.target, json.loads(event.body)["data"]


class TestCreateAccount:
    def test_makes_an_account_and_says_so(self, db: None) -> None:
        account = services.create_account(slug="acme", name=" Acme Ltd ", by=COMMAND)

        account.refresh_from_db()
        assert (account.slug, account.name, account.status) == ("acme", "Acme Ltd", "active")
        assert the_event() == ("account.created", "Acme Ltd", {"status": "active"})

    @pytest.mark.parametrize(
        ("field", "given"),
        [
            ("slug", {"slug": "Acme Ltd!"}),
            ("slug", {"slug": ""}),
            ("slug", {"slug": "a" * 65}),
            ("slug", {"slug": "acme"}),
            ("name", {"name": "   "}),
            ("name", {"name": "Acme\x00"}),
            ("name", {"name": "Acme\r\nX-Account: other"}),
            ("name", {"name": "a" * 201}),
            ("status", {"status": "closed"}),
        ],
    )
    def test_names_the_field_that_is_wrong(self, acme: Account, field: str, given: dict[str, str]) -> None:
        with pytest.raises(Invalid) as refusal:
            services.create_account(**{"slug": "globex", "name": "Globex"} | given, by=COMMAND)

        assert list(refusal.value.message_dict) == [field]
        assert Account.objects.get() == acme


class TestSetAccountStatus:
    def test_changes_it_and_keeps_the_old_one_on_the_trail(self, acme: Account) -> None:
        services.set_account_status(account=acme, status="suspended", by=acting(a_user(None, "Sam", Role.SUPPORT)))

        acme.refresh_from_db()
        assert acme.status == "suspended"
        assert the_event() == ("account.status_changed", "Acme", {"changes": {"status": ["active", "suspended"]}})

    def test_says_nothing_when_nothing_changes(self, acme: Account) -> None:
        services.set_account_status(account=acme, status="active", by=COMMAND)

        assert not Event.objects.filter(name="account.status_changed", account_id=acme.pk).exists()

    def test_knows_three_statuses(self, acme: Account) -> None:
        with pytest.raises(Invalid) as refusal:
            services.set_account_status(account=acme, status="closed", by=COMMAND)

        assert list(refusal.value.message_dict) == ["status"]


class TestCreateUser:
    def test_makes_someone_who_can_sign_in(self, acme: Account, alice: User) -> None:
        user = services.create_user(
            account=acme,
            email=" Bob@ACME.example ",
            nickname="Bob",
            password=PASSWORD,
            roles=[Role.AUDITOR, Role.ACCOUNT_READER, Role.AUDITOR],
            by=acting(alice),
        )

        user.refresh_from_db()
        assert (user.email, user.roles, user.is_active) == ("bob@acme.example", ["account_reader", "auditor"], True)
        assert user.check_password(PASSWORD)
        assert user.password.startswith("argon2")
        assert the_event() == ("user.created", "bob@acme.example", {"roles": ["account_reader", "auditor"]})
        assert PASSWORD not in Event.objects.latest("seq").body

    def test_makes_support_without_an_account(self, db: None) -> None:
        sam = services.create_user(account=None, **NEW, roles=[Role.SUPPORT], by=COMMAND)

        assert (sam.account, sam.is_staff) == (None, True)

    @pytest.mark.parametrize(
        ("field", "given"),
        [
            ("email", {"email": "ALICE@acme.example"}),
            ("email", {"email": "not an address"}),
            ("email", {"email": ""}),
            ("nickname", {"nickname": "aLICE"}),
            ("nickname", {"nickname": ""}),
            ("nickname", {"nickname": "Bob\x1b[2J"}),
            ("nickname", {"nickname": "b" * 65}),
            ("password", {"password": ""}),
            ("password", {"password": "short"}),
            ("password", {"password": "1234567890"}),
            ("password", {"password": "bob@acme.example"}),
            ("roles", {"roles": ["owner"]}),
            ("roles", {"roles": [Role.SUPPORT]}),
        ],
    )
    def test_names_the_field_that_is_wrong(self, alice: User, field: str, given: dict[str, Any]) -> None:
        with pytest.raises(Invalid) as refusal:
            services.create_user(**{"account": alice.account, **NEW, "by": COMMAND, **given})

        assert list(refusal.value.message_dict) == [field]
        assert User.objects.get() == alice

    def test_knows_that_support_has_no_other_role(self, db: None) -> None:
        with pytest.raises(Invalid):
            services.create_user(account=None, **NEW, roles=[Role.SUPPORT, Role.AUDITOR], by=COMMAND)

    def test_two_accounts_may_have_the_same_nickname(self, alice: User) -> None:
        assert services.create_user(account=an_account("globex"), **(NEW | {"nickname": "Alice"}), by=COMMAND)


class TestDeactivateAndReactivate:
    def test_ends_sign_in_and_every_session(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        before = bob.get_session_auth_hash()

        services.deactivate_user(user=bob, by=acting(alice))

        bob.refresh_from_db()
        assert not bob.is_active
        assert bob.get_session_auth_hash() != before
        assert the_event() == ("user.deactivated", bob.email, {"keys": [], "count": 0})

    def test_reactivating_brings_the_user_back_but_no_old_session(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        before = bob.get_session_auth_hash()

        services.deactivate_user(user=bob, by=acting(alice))
        services.reactivate_user(user=bob, by=acting(alice))

        bob.refresh_from_db()
        assert bob.is_active
        assert bob.get_session_auth_hash() != before
        assert the_event() == ("user.reactivated", bob.email, {"keys": [], "count": 0})

    def test_twice_is_once(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob", is_active=False)

        services.deactivate_user(user=bob, by=acting(alice))

        assert not Event.objects.filter(name="user.deactivated", target_id=str(bob.pk)).exists()

    def test_nobody_deactivates_themselves(self, alice: User) -> None:
        with pytest.raises(SelfDeactivation):
            services.deactivate_user(user=alice, by=acting(alice))

        alice.refresh_from_db()
        assert alice.is_active

    @pytest.mark.django_db(transaction=True)
    def test_of_two_who_deactivate_each_other_at_once_one_stays(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob", Role.ADMINISTRATOR)

        def deactivate(user: User, by: User) -> object:
            try:
                return services.deactivate_user(user=user, by=acting(by))
            except Denied as denied:
                return denied
            finally:
                connections.close_all()

        for _ in range(10):
            User.objects.update(is_active=True)
            with ThreadPoolExecutor(2) as pool:
                pair = list(pool.map(deactivate, [alice, bob], [bob, alice]))

            assert sorted(type(result).__name__ for result in pair) == ["Denied", "User"]
            assert User.objects.filter(is_active=True).count() == 1


# Service, and what it is called with besides `by`, for an account with a user Bob in it.
Call = Callable[[Account, User], tuple[Callable[..., object], dict[str, Any]]]
CALLS: dict[str, Call] = {
    "create_account": lambda acme, bob: (services.create_account, {"slug": "globex", "name": "Globex"}),
    "set_account_status": lambda acme, bob: (services.set_account_status, {"account": acme, "status": "suspended"}),
    "create_user": lambda acme, bob: (
        services.create_user,
        {"account": acme, **NEW, "email": "c@d.example", "nickname": "C"},
    ),
    "deactivate_user": lambda acme, bob: (services.deactivate_user, {"user": bob}),
    "reactivate_user": lambda acme, bob: (services.reactivate_user, {"user": a_user(acme, "Dave", is_active=False)}),
    "change_roles": lambda acme, bob: (
        services.change_roles,
        {"user": a_user(acme, "Dave", Role.AUDITOR, Role.ACCOUNT_READER), "roles": [Role.AUDITOR]},
    ),
    "end_sessions": lambda acme, bob: (services.end_sessions, {"user": bob}),
    "withdraw_invitation": lambda acme, bob: (
        services.withdraw_invitation,
        {"invitation": an_invitation(acme, "carol@d.example")[0]},
    ),
    "change_settings": lambda acme, bob: (
        services.change_settings,
        {"account": acme, "settings": replace(Settings.from_account(acme), name="Acme Ltd", mask_phone=True)},
    ),
}

# Who may call it; everyone else below is refused.
ALLOWED: dict[str, set[str]] = {
    "create_account": {"support"},
    "set_account_status": {"support"},
    "create_user": {"administrator"},
    "deactivate_user": {"administrator", "support"},
    "reactivate_user": {"administrator"},
    "change_roles": {"administrator"},
    "end_sessions": {"administrator", "support"},
    "withdraw_invitation": {"administrator"},
    "change_settings": {"administrator"},
}


def rows() -> list[object]:
    return [row for model in (Account, User, Invitation) for row in model.objects.order_by("pk").values()]


@pytest.mark.parametrize("name", CALLS)
class TestEveryService:
    def test_changes_nothing_when_its_event_cannot_be_written(
        self, name: str, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: object, **kwargs: object) -> None:
            raise RuntimeError("the trail is full")

        service, given = CALLS[name](acme, a_user(acme, "Bob"))
        before = rows()
        monkeypatch.setattr(sys.modules[service.__module__], "record", broken)

        with pytest.raises(RuntimeError, match="the trail is full"):
            service(**given, by=COMMAND)

        assert rows() == before

    @pytest.mark.parametrize(
        "who", ["administrator", "account_reader", "auditor", "support", "nobody", "stranger", "inactive"]
    )
    def test_asks_the_policy_first(self, name: str, who: str, acme: Account) -> None:
        service, given = CALLS[name](acme, a_user(acme, "Bob"))
        globex = an_account("other")
        by = {
            "administrator": lambda: a_user(acme, "Alice", Role.ADMINISTRATOR),
            "account_reader": lambda: a_user(acme, "Alice", Role.ACCOUNT_READER),
            "auditor": lambda: a_user(acme, "Alice", Role.AUDITOR),
            "support": lambda: a_user(None, "Sam", Role.SUPPORT),
            "nobody": lambda: a_user(acme, "Alice"),
            "stranger": lambda: a_user(globex, "Eve", Role.ADMINISTRATOR),
            "inactive": lambda: a_user(acme, "Alice", Role.ADMINISTRATOR, is_active=False),
        }[who]()
        before, last = rows(), Event.objects.order_by("-seq").values_list("seq", flat=True).first()

        if who in ALLOWED[name]:
            service(**given, by=acting(by))
            assert rows() != before
        else:
            with pytest.raises(Denied):
                service(**given, by=acting(by))
            assert rows() == before
            assert Event.objects.order_by("-seq").values_list("seq", flat=True).first() == last

    def test_writes_exactly_one_event(self, name: str, acme: Account) -> None:
        service, given = CALLS[name](acme, a_user(acme, "Bob"))
        before = Event.objects.count()

        service(**given, by=COMMAND)

        assert Event.objects.count() == before + 1

    def test_has_an_actor(self, name: str, acme: Account) -> None:
        service, given = CALLS[name](acme, a_user(acme, "Bob"))

        with pytest.raises(TypeError, match="by"):
            service(**given)
