"""Off-boarding: what becomes of each key of a user who leaves, all of it or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, User
from audit.models import Event
from core.actor import ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import services
from keys.models import Api, Key
from keys.services import KEEP, Invalid, KeyPlan, offboard
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_billing_key, a_key_of, confirmed, events

pytestmark = pytest.mark.django_db
UNTIL = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def bob(alice: User) -> User:
    return a_user(alice.account, "Bob")


@pytest.fixture
def keys(alice: User, bob: User) -> list[Key]:
    names = ("Shop", "Kiosk", "Report", "Archive")
    return [a_billing_key(alice, owner=bob, name=name).key for name in names]


def by(alice: User, bob: User) -> Any:
    return confirmed(alice, "keys.hand_over", str(bob.pk))


def recorded_since(number: int) -> list[tuple[str, str | None, dict]]:
    rows = Event.objects.filter(seq__gt=number).order_by("seq")
    return [(event.name, event.target, json.loads(event.body)["data"]) for event in rows]


def newest() -> int:
    return Event.objects.order_by("-seq")[0].seq


def test_each_key_goes_its_own_way_with_one_confirmation_and_an_event(alice: User, bob: User, keys: list[Key]) -> None:
    carol = a_user(alice.account, "Carol")
    before = newest()
    plans = {
        keys[0].public_id: KeyPlan(carol),
        keys[1].public_id: KeyPlan(alice, UNTIL),
        keys[2].public_id: KeyPlan(disable=True),
    }

    given = offboard(user=bob, default=KEEP, plans=plans, by=by(alice, bob))

    assert [key.name for key in given] == ["Shop", "Kiosk"]
    found = {key.name: key for key in Key.objects.select_related("owner")}
    assert [found[name].owner.nickname for name in ("Shop", "Kiosk", "Report", "Archive")] == [
        *("Carol", "Alice", "Bob", "Bob")
    ]
    assert [found[name].enabled for name in ("Shop", "Kiosk", "Report", "Archive")] == [True, True, False, True]
    assert (found["Kiosk"].expires_at, found["Shop"].expires_at) == (UNTIL, None)
    assert recorded_since(before) == [
        ("key.reassigned", "Shop", {"api": "billing", "changes": {"owner": ["Bob", "Carol"]}}),
        (
            "key.reassigned",
            "Kiosk",
            {"api": "billing", "changes": {"owner": ["Bob", "Alice"], "expiry": [None, "2099-12-31T23:59:59+00:00"]}},
        ),
        ("key.disabled", "Report", {"api": "billing"}),
        ("user.deactivated", bob.email, {"keys": [f"Archive ({keys[3].public_id})"], "count": 1}),
        ("key.owner_deactivated", "Archive", {"api": "billing", "owner": "Bob"}),
    ]


def test_all_or_nothing(alice: User, bob: User, keys: list[Key], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the events cannot be written."""
    before = newest()
    plans = {keys[0].public_id: KeyPlan(alice, UNTIL), keys[1].public_id: KeyPlan(disable=True)}
    for part in ("keys.services.ownership", "keys.services.state", "accounts.services.users"):
        with monkeypatch.context() as patched:
            patched.setattr(f"{part}.record", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                offboard(user=bob, default=KEEP, plans=plans, by=by(alice, bob))
        bob.refresh_from_db()
        assert bob.is_active
        assert set(Key.objects.values_list("owner", "enabled", "expires_at", "version")) == {(bob.pk, True, None, 1)}
        assert newest() == before


def test_an_earlier_expiry_stays(alice: User, bob: User, keys: list[Key]) -> None:
    sooner = timezone.now() + timedelta(days=3)
    Key.objects.filter(pk=keys[0].pk).update(expires_at=sooner)

    offboard(user=bob, default=KeyPlan(alice, UNTIL), by=by(alice, bob))

    assert Key.objects.get(pk=keys[0].pk).expires_at == sooner
    assert json.loads(events("key.reassigned")[0].body)["data"]["changes"] == {"owner": ["Bob", "Alice"]}


def test_every_key_whose_api_does_not_allow_the_date_is_named(alice: User, bob: User) -> None:
    fixed = a_key_of("sip-caller", alice, owner=bob).key
    late = a_billing_key(alice, owner=bob).key
    never = a_billing_key(alice, owner=bob, name="Kiosk").key
    Key.objects.filter(pk=fixed.pk).update(expires_at=UNTIL + timedelta(days=1))
    policy = Api.objects.get(slug="billing").policy
    Api.objects.filter(slug="billing").update(policy=policy | {"expiry": "none"})

    with pytest.raises(Invalid) as refused:
        offboard(user=bob, default=KeyPlan(alice, UNTIL), by=by(alice, bob))

    found = refused.value.message_dict
    assert found.keys() == {fixed.public_id, late.public_id, never.public_id}
    assert found[fixed.public_id] == [
        "Expiration of Autodialer is set at creation: it can't be extended. Choose something else for it."
    ]
    assert found[never.public_id] == ["Kiosk: Keys of this API do not expire. Choose never."]
    assert bob.is_active
    assert not events("user.deactivated")


def test_a_past_date_is_refused_and_one_within_a_limit_that_came_later_is_not(
    alice: User, bob: User, keys: list[Key]
) -> None:
    past = timezone.now() - timedelta(days=1)
    with pytest.raises(Invalid) as refused:
        offboard(user=bob, default=KEEP, plans={keys[0].public_id: KeyPlan(alice, past)}, by=by(alice, bob))
    assert "is in the past" in refused.value.messages[0]

    Account.objects.update(key_lifetime_days=1)
    Key.objects.update(created_at=timezone.now() - timedelta(days=700))
    until = timezone.now() + timedelta(days=30)
    offboard(user=bob, default=KeyPlan(alice, until), by=by(alice, bob))
    assert set(Key.objects.values_list("expires_at", flat=True)) == {until}


@pytest.mark.parametrize("plan", ["give", "expire"])
def test_only_reassigning_needs_the_confirmation(alice: User, bob: User, keys: list[Key], plan: str) -> None:
    given = KeyPlan(alice, UNTIL if plan == "expire" else None)
    for actor in (acting(alice), confirmed(alice, "keys.hand_over", str(alice.pk))):
        with pytest.raises(ConfirmationRequired):
            offboard(user=bob, default=KEEP, plans={keys[0].public_id: given}, by=actor)
    offboard(user=bob, default=KeyPlan(disable=True), by=acting(alice))
    assert set(Key.objects.values_list("enabled", flat=True)) == {False}


def test_support_deactivates_but_settles_no_keys(alice: User, bob: User, keys: list[Key]) -> None:
    support = a_user(None, "Sam", Role.SUPPORT)
    for plan in (KeyPlan(alice), KeyPlan(disable=True)):
        with pytest.raises(Denied):
            offboard(user=bob, default=plan, by=confirmed(support, "keys.hand_over", str(bob.pk)))
    offboard(user=bob, default=KEEP, by=acting(support))
    assert len(events("key.owner_deactivated")) == 4


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_keys_of_an_account_that_is_not_active_do_not_change(
    alice: User, bob: User, keys: list[Key], status: str
) -> None:
    Account.objects.update(status=status)
    for plan in (KeyPlan(alice), KeyPlan(disable=True)):
        with pytest.raises(AccountNotActive):
            offboard(user=bob, default=plan, by=by(alice, bob))


def test_nobody_but_an_active_user_of_the_account_gets_a_key(alice: User, bob: User, keys: list[Key]) -> None:
    others = (a_user(an_account("globex"), "Gina"), a_user(alice.account, "Ina", is_active=False))
    for other in others:
        with pytest.raises(Invalid):
            offboard(user=bob, default=KEEP, plans={keys[0].public_id: KeyPlan(other)}, by=by(alice, bob))


def test_a_form_that_was_opened_before_is_told_of_the_new_expiry(alice: User, bob: User, keys: list[Key]) -> None:
    from keys.key_settings import KeySettings
    from keys.selectors.detail import list_last_edits

    key, opened = keys[0], KeySettings.from_key(keys[0])
    offboard(user=bob, default=KeyPlan(alice, UNTIL), by=by(alice, bob))

    with pytest.raises(services.EditConflict):
        services.edit(key=key, version=1, key_settings=opened, by=confirmed(alice, "key.edit", key.public_id))
    (edit,) = list_last_edits(key, 1)
    assert edit.changes["expiry"] == [None, "2099-12-31T23:59:59+00:00"]
