"""Changes of many keys: each key by itself, one event each, one consent for all, and nothing without its event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, User
from core.actor import Actor, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import services
from keys.models import IpList, IpListEntry, Key, KeyIpList
from keys.services import BulkResult, Overlap, TooManyKeys, build_selection_target, bulk, ownership, rotation, state
from keys.services import editing as editing_services
from keys.settings_change import SettingsChange
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_billing_key, a_key_of, confirmed, events

pytestmark = pytest.mark.django_db
OFFICE = ip_network("198.51.100.0/24")


@pytest.fixture
def bob(alice: User) -> User:
    return a_user(alice.account, "Bob")


def an_ip_list(account: Account | None, *networks: str) -> IpList:
    made = IpList.objects.create(account=account, name="Office")
    for network in networks:
        IpListEntry.objects.create(ip_list=made, network=ip_network(network))
    return made


def consented(user: User, action: str, *keys: Key) -> Actor:
    return confirmed(user, action, build_selection_target([key.pk for key in keys]))


def edit(user: User, *keys: Key, by: Actor | None = None, **change: Any) -> BulkResult:
    assert user.account is not None
    return services.edit_many(
        account=user.account,
        keys=[key.pk for key in keys],
        change=SettingsChange(**change),
        by=by or consented(user, "keys.edit", *keys),
    )


def names(keys: list[Key]) -> list[str]:
    return [key.name for key in keys]


def networks_of(key: Key) -> list[str]:
    return [str(each) for each in key.addresses.order_by("pk").values_list("network", flat=True)]


def test_keys_that_are_so_already_have_no_event(alice: User) -> None:
    on, off = a_billing_key(alice, name="on").key, a_billing_key(alice, name="off", enabled=False).key
    both = [on.pk, off.pk]
    assert alice.account is not None

    result = services.disable_many(account=alice.account, keys=both, by=acting(alice))
    assert (names(result.changed), names(result.unchanged), result.failed) == (["on"], ["off"], [])
    assert [event.target_id for event in events("key.disabled")] == [on.public_id]
    with pytest.raises(ConfirmationRequired):
        services.enable_many(account=alice.account, keys=both, by=acting(alice))
    services.enable_many(account=alice.account, keys=both, by=consented(alice, "keys.enable", on, off))
    assert {event.target_id for event in events("key.enabled")} == {on.public_id, off.public_id}


def test_an_address_is_added_where_addresses_are_restricted_already(alice: User) -> None:
    fixed = a_key_of("sip-caller", alice, name="fixed", networks=(ip_network("203.0.113.7"),)).key
    has, lacks = (a_billing_key(alice, network, name=network).key for network in ("198.51.100.0/24", "203.0.113.7"))
    unrestricted = a_billing_key(alice, name="unrestricted").key

    result = edit(alice, fixed, has, lacks, unrestricted, add_networks=(OFFICE,))

    assert names(result.changed) == ["203.0.113.7"]
    assert names(result.unchanged) == ["198.51.100.0/24"]
    why = {key.name: reason for key, reason in result.failed}
    assert why.keys() == {"fixed", "unrestricted"}
    assert "set at creation" in why["fixed"]
    assert why["unrestricted"] == "Accepts calls from any address: adding one would refuse all others."
    assert networks_of(lacks) == ["203.0.113.7/32", "198.51.100.0/24"]
    assert networks_of(unrestricted) == []
    [event] = events("key.edited")
    changes = {"addresses": [["203.0.113.7/32"], ["203.0.113.7/32", "198.51.100.0/24"]]}
    assert json.loads(event.body)["data"]["changes"] == changes


def test_keys_open_to_any_address_are_restricted_only_if_asked(alice: User) -> None:
    key = a_billing_key(alice).key

    # To restrict is no widening: no consent is needed.
    assert names(edit(alice, key, add_networks=(OFFICE,), restrict_open=True, by=acting(alice)).changed) == [key.name]
    assert networks_of(key) == [str(OFFICE)]


def test_the_last_restriction_stays(alice: User) -> None:
    office = an_ip_list(alice.account, "198.51.100.7")
    last, other = a_billing_key(alice, name="last").key, a_billing_key(alice, "203.0.113.7", name="other").key
    for key in (last, other):
        KeyIpList.objects.create(key=key, ip_list=office)

    result = edit(alice, last, other, remove_lists=frozenset({office.pk}), by=acting(alice))

    assert names(result.changed) == ["other"]
    assert result.failed == [
        (last, "Has no other restriction: calls would be accepted from any address."),
    ]
    assert list(office.keys.all()) == [last]


def test_a_list_is_added_to_keys_with_one_consent(alice: User) -> None:
    office = an_ip_list(alice.account, "198.51.100.7")
    keys = [a_billing_key(alice, "203.0.113.7").key for _ in range(2)]

    for by in (acting(alice), consented(alice, "keys.edit", keys[0]), consented(alice, "keys.enable", *keys)):
        with pytest.raises(ConfirmationRequired):
            edit(alice, *keys, add_lists=frozenset({office.pk}), by=by)
    assert office.keys.count() == 0
    edit(alice, *keys, add_lists=frozenset({office.pk}))
    assert office.keys.count() == 2
    foreign = an_ip_list(an_account("globex"), "192.0.2.1")
    assert [why for _, why in edit(alice, *keys, add_lists=frozenset({foreign.pk})).failed] == [
        "There is no such IP list in this account. Choose one of this account's lists."
    ] * 2


def test_an_expiry_only_becomes_earlier(alice: User) -> None:
    soon, later = timezone.now() + timedelta(days=3), timezone.now() + timedelta(days=30)
    keys = [a_billing_key(alice, name=name).key for name in ("never", "later", "sooner")]
    Key.objects.filter(name="later").update(expires_at=later)
    Key.objects.filter(name="sooner").update(expires_at=soon)
    fixed = a_key_of("sip-caller", alice, name="fixed").key
    day = datetime.combine((timezone.now() + timedelta(days=9)).date(), datetime.max.time(), UTC)

    result = edit(alice, *keys, fixed, expires_at=day, by=acting(alice))

    assert (names(result.changed), names(result.unchanged)) == (["never", "later"], ["sooner"])
    assert [key.name for key, _ in result.failed] == ["fixed"]
    assert Key.objects.get(name="never").expires_at == day
    assert Key.objects.get(name="sooner").expires_at == soon


def test_keys_go_to_another_owner(alice: User, bob: User) -> None:
    named = a_key_of("lynx", alice).key
    keys = [a_billing_key(alice).key, a_billing_key(alice, owner=bob).key, named]
    assert alice.account is not None
    by = consented(alice, "keys.reassign", *keys)

    result = services.reassign_many(account=alice.account, keys=[key.pk for key in keys], owner=bob, by=by)

    assert (len(result.changed), len(result.unchanged)) == (2, 1)
    assert Key.objects.get(pk=named.pk).name == "Bob"
    assert len(events("key.reassigned")) == 2


def test_secrets_that_can_be_shown_again_are_changed(alice: User) -> None:
    robot, once = a_billing_key(alice).key, a_key_of("sip-caller", alice).key
    stale = a_billing_key(alice, name="stale").key
    secrets = {key.pk: key.secrets.get().pk for key in (robot, once)} | {stale.pk: uuid.uuid4()}
    assert alice.account is not None

    def change(by: Actor) -> BulkResult:
        assert alice.account is not None
        return services.change_many(account=alice.account, secrets=secrets, overlap=Overlap.DAY, by=by)

    with pytest.raises(ConfirmationRequired):
        change(acting(alice))
    result = change(consented(alice, "keys.change", robot, once, stale))

    assert result.changed == [robot]
    assert {key.pk: why for key, why in result.failed} == {
        once.pk: "Its new secret would be shown only once. Change it on the key's own page.",
        stale.pk: "Its secret was changed in the meantime.",
    }
    assert robot.secrets.filter(retires_at__gt=timezone.now()).count() == 1
    assert once.secrets.count() == 1
    # The same form once more: the current secret is another by now.
    assert change(consented(alice, "keys.change", robot, once, stale)).changed == []


ACTIONS: dict[str, Callable[[User, Key], BulkResult]] = {
    "disable": lambda user, key: services.disable_many(account=key.account, keys=[key.pk], by=acting(user)),
    "enable": lambda user, key: services.enable_many(
        account=key.account, keys=[key.pk], by=consented(user, "keys.enable", key)
    ),
    "edit": lambda user, key: services.edit_many(
        account=key.account,
        keys=[key.pk],
        change=SettingsChange(add_networks=(OFFICE,), restrict_open=True),
        by=consented(user, "keys.edit", key),
    ),
    "reassign": lambda user, key: services.reassign_many(
        account=key.account,
        keys=[key.pk],
        owner=User.objects.get(nickname="Bob"),
        by=consented(user, "keys.reassign", key),
    ),
    "change": lambda user, key: services.change_many(
        account=key.account,
        secrets={key.pk: key.secrets.get(retires_at=None).pk},
        overlap=Overlap.NONE,
        by=consented(user, "keys.change", key),
    ),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_else_may(alice: User, bob: User, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = a_billing_key(alice, enabled=action != "enable").key
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)
    for user in (bob, greta, a_user(alice.account, "Rita", Role.ACCOUNT_READER)):
        with pytest.raises(Denied):
            ACTIONS[action](user, key)
    # A key of another account is none of this account's.
    foreign = Key(pk=a_billing_key(greta).key.pk, account=key.account, public_id=key.public_id)
    if action in ("disable", "enable"):
        assert ACTIONS[action](alice, foreign) == BulkResult()
    monkeypatch.setattr(bulk, "MAX_SECRETS" if action == "change" else "MAX_KEYS", 0)
    with pytest.raises(TooManyKeys):
        ACTIONS[action](alice, key)
    Account.objects.filter(pk=key.account_id).update(status="suspended")
    with pytest.raises(AccountNotActive):
        ACTIONS[action](alice, key)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_its_event_nothing_is_changed(
    alice: User, bob: User, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_billing_key(alice, enabled=action != "enable").key
    before = Key.objects.values().get(pk=key.pk), list(key.secrets.values()), networks_of(key)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no room")

    for module in (state, editing_services, ownership, rotation):
        monkeypatch.setattr(module, "record", fail)
    with pytest.raises(RuntimeError):
        ACTIONS[action](alice, key)
    assert (Key.objects.values().get(pk=key.pk), list(key.secrets.values()), networks_of(key)) == before
