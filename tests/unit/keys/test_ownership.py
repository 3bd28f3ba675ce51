"""Reassigning keys: who may, to whom, with what consent, and all of them or none."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from accounts.models import Account, User
from accounts.services import LastAdministrator
from audit.models import Event
from core.actor import Actor, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import services
from keys.models import Key
from keys.services import Invalid, KeyPlan
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_billing_key, confirmed, events

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(alice: User) -> User:
    return a_user(alice.account, "Bob")


def owners() -> list[str]:
    return list(Key.objects.order_by("pk").values_list("owner__nickname", flat=True))


def test_one_key_goes_to_another_owner(alice: User, bob: User) -> None:
    key = a_billing_key(alice).key

    services.reassign(key=key, owner=bob, by=confirmed(alice, "key.reassign", key.public_id))

    assert owners() == ["Bob"]
    assert [event.target_id for event in events("key.reassigned")] == [key.public_id]


def test_all_live_keys_of_one_user_go_to_another(alice: User, bob: User) -> None:
    for number in range(3):
        a_billing_key(alice, owner=bob, name=f"Robot {number}")
    gone = a_billing_key(alice, owner=bob).key
    services.delete(key=gone, by=acting(alice))

    assert services.hand_over(user=bob, new_owner=alice, by=confirmed(alice, "keys.hand_over", str(bob.pk))) == 3
    assert owners() == ["Alice", "Alice", "Alice", "Bob"]


def test_the_consent_is_for_this_key_or_this_user(alice: User, bob: User) -> None:
    key = a_billing_key(alice, owner=bob).key

    for by in (acting(alice), confirmed(alice, "key.reassign", "x" * 12), confirmed(alice, "key.edit", key.public_id)):
        with pytest.raises(ConfirmationRequired):
            services.reassign(key=key, owner=alice, by=by)
    for by in (acting(alice), confirmed(alice, "keys.hand_over", str(alice.pk))):
        with pytest.raises(ConfirmationRequired):
            services.hand_over(user=bob, new_owner=alice, by=by)
    assert owners() == ["Bob"]


@pytest.mark.parametrize("who", ["stranger", "inactive", "support", "the owner"])
def test_the_new_owner_is_another_active_user_of_the_account(alice: User, bob: User, who: str) -> None:
    a_billing_key(alice, owner=bob)
    heir = {
        "stranger": lambda: a_user(an_account("globex"), "Gina"),
        "inactive": lambda: a_user(alice.account, "Ina", is_active=False),
        "support": lambda: a_user(None, "Sam", Role.SUPPORT),
        "the owner": lambda: bob,
    }[who]()

    with pytest.raises(Invalid):
        services.hand_over(user=bob, new_owner=heir, by=confirmed(alice, "keys.hand_over", str(bob.pk)))
    assert owners() == ["Bob"]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ACCOUNT_READER, None])
def test_only_administrators_of_the_account_reassign(alice: User, bob: User, role: Role | None) -> None:
    a_billing_key(alice, owner=bob)
    someone = a_user(alice.account, "Carol", *([role] if role else []))
    stranger = a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR)

    for user in (someone, stranger, bob):
        with pytest.raises(Denied):
            services.hand_over(user=bob, new_owner=alice, by=confirmed(user, "keys.hand_over", str(bob.pk)))


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_nothing_is_reassigned_in_an_account_that_is_not_active(alice: User, bob: User, status: str) -> None:
    key = a_billing_key(alice, owner=bob).key
    Account.objects.update(status=status)

    with pytest.raises(AccountNotActive):
        services.reassign(key=key, owner=alice, by=confirmed(alice, "key.reassign", key.public_id))
    with pytest.raises(AccountNotActive):
        services.hand_over(user=bob, new_owner=alice, by=confirmed(alice, "keys.hand_over", str(bob.pk)))


def test_deactivating_and_giving_away_is_both_or_neither(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the trail is full")

    a_billing_key(alice, owner=bob)
    count = Event.objects.count()
    for broken_part in ("keys.services.ownership.record", "accounts.services.users.record"):
        with monkeypatch.context() as patched:
            patched.setattr(broken_part, broken)
            with pytest.raises(RuntimeError):
                services.offboard(user=bob, default=KeyPlan(alice), by=confirmed(alice, "keys.hand_over", str(bob.pk)))
        bob.refresh_from_db()
        assert (bob.is_active, owners(), Event.objects.count()) == (True, ["Bob"], count)


def test_the_last_administrators_keys_stay_when_they_do(alice: User, bob: User) -> None:
    a_billing_key(alice)

    with pytest.raises(LastAdministrator):
        services.offboard(user=alice, default=KeyPlan(bob), by=Actor.from_command("test"))
    assert owners() == ["Alice"]


def list_targets_and_data(name: str) -> list[tuple[str | None, str | None, dict]]:
    return [(event.target, event.target_id, json.loads(event.body)["data"]) for event in events(name)]


def test_the_trail_says_which_keys_stopped_with_their_owner_and_each_keys_own_says_so(alice: User, bob: User) -> None:
    keys = [a_billing_key(alice, owner=bob, name=name).key for name in ("Robot", "Kiosk")]
    for change in ({"enabled": False}, {"expires_at": timezone.now()}, {"deleted_at": timezone.now()}):
        Key.objects.filter(pk=a_billing_key(alice, owner=bob, name="Stopped before").key.pk).update(**change)
    a_billing_key(alice, owner=alice, name="Another owner")
    named = {"keys": [f"{key.name} ({key.public_id})" for key in keys], "count": 2}
    each = [(key.name, key.public_id, {"api": "billing", "owner": "Bob"}) for key in keys]

    services.deactivate_owner(user=bob, by=acting(alice))
    services.deactivate_owner(user=bob, by=acting(alice))
    assert list_targets_and_data("user.deactivated") == [(bob.email, str(bob.pk), named)]
    assert list_targets_and_data("key.owner_deactivated") == each

    services.reactivate_owner(user=bob, by=acting(alice))
    services.reactivate_owner(user=bob, by=acting(alice))
    assert list_targets_and_data("user.reactivated") == [(bob.email, str(bob.pk), named)]
    assert list_targets_and_data("key.owner_reactivated") == each


def test_no_key_stops_when_all_are_given_away_first(alice: User, bob: User) -> None:
    a_billing_key(alice, owner=bob)
    services.offboard(user=bob, default=KeyPlan(alice), by=confirmed(alice, "keys.hand_over", str(bob.pk)))
    assert list_targets_and_data("user.deactivated") == [(bob.email, str(bob.pk), {"keys": [], "count": 0})]
    assert list_targets_and_data("key.owner_deactivated") == []


def test_an_owner_is_not_deactivated_if_one_keys_event_cannot_be_written(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_billing_key(alice, owner=bob)
    monkeypatch.setattr("keys.services.ownership.record", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        services.deactivate_owner(user=bob, by=acting(alice))
    bob.refresh_from_db()
    assert bob.is_active
    assert list_targets_and_data("user.deactivated") == []
