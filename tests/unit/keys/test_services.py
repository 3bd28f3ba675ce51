"""Every service of keys: what it does, what the trail says, whom it refuses, and that both live or die together."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from accounts.models import Account, User
from audit.models import Event
from core.actor import Actor, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from core.sealing import seal
from keys import services
from keys.crypto import secrets
from keys.key_settings import Invalid, KeySettings
from keys.models import Address, Creation, Enablement, Key, KeyIpList, KeyModule, Secret, SecretUse
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import FIELDS, a_billing_key, billing_for, confirmed, events, some_settings

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("test")


@pytest.fixture
def key(alice: User) -> Key:
    a_user(alice.account, "Heir")
    return a_billing_key(alice, "203.0.113.0/24", modules=frozenset({"invoices"})).key


def act(service: str, key: Key, by: Actor) -> Any:
    """Call a service on a key as its page does; every one that needs a confirmation gets a fitting one from `by`."""
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: services.create(
            account=key.account, api=key.api, key_settings=some_settings(), owner=key.owner, by=by
        ),
        "reveal": lambda: services.reveal(key=key, by=by),
        "edit": lambda: services.edit(
            key=key, version=1, key_settings=replace(KeySettings.from_key(key), name="Other"), by=by
        ),
        "enable": lambda: services.enable(key=key, by=by),
        "disable": lambda: services.disable(key=key, by=by),
        "delete": lambda: services.delete(key=key, by=by),
        "reassign": lambda: services.reassign(key=key, owner=User.objects.get(nickname="Heir"), by=by),
    }
    return calls[service]()


SERVICES = ["create", "reveal", "edit", "enable", "disable", "delete", "reassign"]


def everything() -> list[Any]:
    tables = (Key, Secret, Address, KeyModule, KeyIpList, Creation)
    return [list(table.objects.order_by("pk").values()) for table in tables]


# What they do


def test_a_new_key_has_a_digest_a_seal_and_one_event_but_nowhere_its_token(alice: User):
    made = a_billing_key(alice, "203.0.113.7", "2001:db8::/32", modules=frozenset({"invoices", "balance"}))

    key = Key.objects.get()
    assert (key.name, key.owner, key.account, key.enabled, key.version) == (
        "Invoice robot",
        alice,
        alice.account,
        True,
        1,
    )
    assert secrets.parse_token(made.token) == key.public_id
    assert KeySettings.from_key(key) == some_settings(
        "203.0.113.7", "2001:db8::/32", modules=frozenset({"invoices", "balance"})
    )
    secret = Secret.objects.get()
    newest = max(configured.TOKEN_PEPPERS)
    assert secret.pepper_id == newest
    assert bytes(secret.digest) == secrets.compute_digest(made.token, configured.TOKEN_PEPPERS[newest])
    assert made.token.encode() not in bytes(secret.sealed)
    (event,) = events("key.created")
    assert json.loads(event.body)["data"] == {
        "api": "billing",
        "settings": {
            "name": "Invoice robot",
            **FIELDS,
            "addresses": ["203.0.113.7/32", "2001:db8::/32"],
            "ip_lists": [],
            "modules": ["balance", "invoices"],
            "expiry": None,
            "owner": "Alice",
            "enabled": True,
        },
    }
    assert made.token not in event.body + repr(made) + repr(key) + repr(secret)


def test_a_secret_that_is_shown_once_is_not_kept_in_any_readable_form(alice: User, key: Key):
    key.api.policy["secret"] = "shown_once"
    key.api.save()

    made = a_billing_key(alice)

    assert made.key.secrets.get().sealed is None
    with pytest.raises(services.NotRevealable):
        services.reveal(key=made.key, by=confirmed(alice, "key.reveal", made.key.public_id))


def test_a_taken_api_id_is_never_used_again(alice: User, key: Key, monkeypatch: pytest.MonkeyPatch):
    services.delete(key=key, by=acting(alice))
    ids = iter([key.public_id, key.public_id, "FreshFresh12"])
    monkeypatch.setattr(secrets, "generate_public_id", lambda: next(ids))

    assert a_billing_key(alice).key.public_id == "FreshFresh12"


def test_a_command_says_whose_key_it_is(alice: User):
    api = billing_for(alice.account)

    made = services.create(account=alice.account, api=api, key_settings=some_settings(), owner=alice, by=COMMAND)

    assert made.key.owner == alice
    with pytest.raises(Invalid, match="owner"):
        services.create(account=alice.account, api=api, key_settings=some_settings(), by=COMMAND)


def test_a_form_makes_one_key(alice: User):
    api, token = billing_for(alice.account), uuid.uuid4()

    def create() -> services.CreatedKey:
        by = confirmed(alice, "key.create", str(token))
        return services.create(account=alice.account, api=api, key_settings=some_settings(), form_token=token, by=by)

    made = create()
    with pytest.raises(services.AlreadyCreated) as refused:
        create()

    assert refused.value.key == made.key
    assert (Key.objects.count(), len(events("key.created"))) == (1, 1)


def test_a_form_of_another_account_tells_nothing_about_its_key(alice: User):
    other = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)
    token = uuid.uuid4()
    arguments: dict[str, Any] = {"key_settings": some_settings(), "form_token": token}
    by = confirmed(other, "key.create", str(token))
    services.create(account=other.account, api=billing_for(other.account), by=by, **arguments)

    by = confirmed(alice, "key.create", str(token))
    with pytest.raises(Invalid, match="form"):
        services.create(account=alice.account, api=billing_for(alice.account), by=by, **arguments)


def test_reveal_opens_the_seal_and_says_so_first(alice: User):
    made = a_billing_key(alice)

    assert services.reveal(key=made.key, by=confirmed(alice, "key.reveal", made.key.public_id)) == made.token
    (event,) = events("key.revealed")
    assert (event.target_id, event.actor) == (made.key.public_id, alice.email)


def test_a_seal_moved_from_another_key_is_not_opened_and_the_trail_tells(alice: User, key: Key):
    other = a_billing_key(alice)
    Secret.objects.filter(key=key).update(sealed=other.key.secrets.get().sealed)

    with pytest.raises(services.UnreadableSecret):
        services.reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id))

    assert [event.name for event in Event.objects.order_by("-seq")[:2]] == ["key.unreadable", "key.revealed"]


@pytest.mark.fault(23)
def test_a_seal_under_a_key_that_is_gone_is_unreadable(alice: User, key: Key, figure: Callable[[str], None]):
    place: dict[str, Any] = {
        "purpose": "reveal",
        "account": key.account_id,
        "key": key.public_id,
        "secret": str(key.secrets.get().pk),
    }
    Secret.objects.filter(key=key).update(sealed=seal("x", ring={99: b"k" * 32}, **place))

    with pytest.raises(services.UnreadableSecret):
        services.reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id))
    assert len(events("key.unreadable")) == 1
    figure("a token under a key that is gone: not shown, key.unreadable")


def test_edit_changes_what_differs_and_keeps_the_rest(alice: User, key: Key):
    kept = key.addresses.get().pk
    key_settings = replace(KeySettings.from_key(key), name="Renamed", modules=frozenset({"payments"}))
    services.edit(key=key, version=1, key_settings=key_settings, by=confirmed(alice, "key.edit", key.public_id))

    key = Key.objects.get()
    assert KeySettings.from_key(key) == key_settings
    assert (key.version, key.addresses.get().pk) == (2, kept)
    (event,) = events("key.edited")
    assert json.loads(event.body)["data"]["changes"] == {
        "name": ["Invoice robot", "Renamed"],
        "modules": [["invoices"], ["payments"]],
    }


def test_an_edit_of_nothing_changes_nothing(alice: User, key: Key):
    services.edit(key=key, version=1, key_settings=KeySettings.from_key(key), by=acting(alice))

    assert Key.objects.get().version == 1
    assert events("key.edited") == []


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(alice: User, key: Key):
    services.edit(key=key, version=1, key_settings=replace(KeySettings.from_key(key), name="First"), by=acting(alice))

    with pytest.raises(services.EditConflict) as refused:
        services.edit(
            key=key, version=1, key_settings=replace(KeySettings.from_key(key), name="Second"), by=acting(alice)
        )

    assert (refused.value.key.name, refused.value.key.version, refused.value.edits) == ("First", 2, 1)
    assert Key.objects.get().name == "First"


WIDENING: dict[str, dict[str, Any]] = {
    "no restriction left": {"networks": ()},
    "another module": {"modules": frozenset({"invoices", "cdrs"})},
    "every module": {"modules": None},
    "never expiring": {"expires_at": None},
}


@pytest.mark.parametrize("what", WIDENING)
def test_letting_more_in_needs_the_password_and_less_does_not(alice: User, what: str):
    soon = timezone.now() + timedelta(days=5)
    key = a_billing_key(alice, "203.0.113.0/24", modules=frozenset({"invoices"}), expires_at=soon).key
    wide = replace(KeySettings.from_key(key), **WIDENING[what])

    with pytest.raises(ConfirmationRequired):
        services.edit(key=key, version=1, key_settings=wide, by=acting(alice))
    with pytest.raises(ConfirmationRequired):
        services.edit(key=key, version=1, key_settings=wide, by=confirmed(alice, "key.edit", "AnotherKey12"))
    services.edit(key=key, version=1, key_settings=wide, by=confirmed(alice, "key.edit", key.public_id))


def test_disable_and_enable_tell_the_trail_once_each(alice: User, key: Key):
    for _ in range(2):
        services.disable(key=key, by=acting(alice))
    assert Key.objects.get().enabled is False
    for _ in range(2):
        services.enable(key=key, by=confirmed(alice, "key.enable", key.public_id))
    assert Key.objects.get().enabled is True
    assert (len(events("key.disabled")), len(events("key.enabled"))) == (1, 1)


def test_an_edit_switches_a_key_and_the_trail_tells_each_thing(alice: User, key: Key):
    renamed = replace(KeySettings.from_key(key), name="Other")
    key = services.edit(key=key, version=1, key_settings=renamed, enabled=False, by=acting(alice))

    assert (key.enabled, key.name, key.version) == (False, "Other", 2)
    assert [len(events(f"key.{done}")) for done in ("edited", "disabled", "enabled")] == [1, 1, 0]
    with pytest.raises(ConfirmationRequired):
        services.edit(key=key, version=2, key_settings=renamed, enabled=True, by=acting(alice))
    assert not Key.objects.get().enabled
    by = confirmed(alice, "key.edit", key.public_id)
    services.edit(key=key, version=2, key_settings=renamed, enabled=True, by=by)
    assert (Key.objects.get().enabled, Key.objects.get().version) == (True, 2)
    assert [len(events(f"key.{done}")) for done in ("edited", "disabled", "enabled")] == [1, 1, 1]
    # Somebody else did it already.
    services.edit(key=key, version=2, key_settings=renamed, enabled=True, by=acting(alice))
    assert len(events("key.enabled")) == 1


def test_delete_destroys_the_secrets_and_keeps_the_name(alice: User, key: Key):
    SecretUse.objects.create(secret=key.secrets.get(), used_at=timezone.now(), address="203.0.113.8")

    services.delete(key=key, by=acting(alice))

    assert Key.objects.get().deleted_at is not None
    assert (Secret.objects.count(), SecretUse.objects.count()) == (0, 0)
    (event,) = events("key.deleted")
    assert (event.target, event.target_id) == ("Invoice robot", key.public_id)


# Whom they refuse


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.AUDITOR, None])
def test_only_administrators_pass(key: Key, service: str, role: Role | None):
    before = everything()
    user = a_user(key.account, "Bob", *filter(None, [role]))
    Key.objects.update(owner=user)

    with pytest.raises(Denied):
        act(service, key, acting(user))
    Key.objects.update(owner=key.owner)
    assert everything() == before


@pytest.mark.parametrize("service", SERVICES)
def test_an_administrator_of_another_account_does_not_pass(key: Key, service: str):
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)

    with pytest.raises(Denied):
        act(service, key, acting(greta))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_keys_of_an_account_that_is_not_active_stay_as_they_are(alice: User, key: Key, service: str, status: str):
    Account.objects.update(status=status)
    before = everything()

    with pytest.raises(AccountNotActive):
        act(service, key, acting(alice))
    assert everything() == before


@pytest.mark.parametrize("service", ["create", "reveal", "enable", "reassign"])
def test_what_is_listed_as_confirmed_is_not_done_without(alice: User, key: Key, service: str):
    before = everything()

    with pytest.raises(ConfirmationRequired):
        act(service, key, acting(alice))
    with pytest.raises(ConfirmationRequired):
        act(service, key, confirmed(alice, f"key.{service}", "AnotherKey12"))
    assert everything() == before


@pytest.mark.parametrize("service", ["reveal", "edit", "enable", "disable", "delete", "reassign"])
def test_a_deleted_key_is_gone_for_every_service(alice: User, key: Key, service: str):
    services.delete(key=key, by=acting(alice))

    with pytest.raises(Key.DoesNotExist):
        act(service, key, confirmed(alice, f"key.{service}", key.public_id))


def test_an_owner_is_an_active_user_of_the_account(alice: User):
    api = billing_for(alice.account)
    stranger = a_user(an_account("globex"), "Greta")
    gone = a_user(alice.account, "Gone", is_active=False)

    for owner in (stranger, gone):
        with pytest.raises(Invalid, match="owner"):
            services.create(account=alice.account, api=api, key_settings=some_settings(), owner=owner, by=COMMAND)
    assert Key.objects.count() == 0


def test_an_api_that_is_not_enabled_has_no_keys_here(alice: User):
    api = billing_for(alice.account)
    Enablement.objects.all().delete()

    with pytest.raises(Invalid, match="not enabled"):
        services.create(account=alice.account, api=api, key_settings=some_settings(), owner=alice, by=COMMAND)


def test_the_longest_lifetime_binds_new_keys_and_edits_but_not_what_is_there(alice: User, settings: Any):
    old = a_billing_key(alice).key
    settings.KEY_MAX_LIFETIME_DAYS = 30

    def create(expires_at: Any) -> Key:
        return a_billing_key(alice, expires_at=expires_at).key

    for bad in (None, timezone.now() + timedelta(days=31)):
        with pytest.raises(Invalid, match="expiry"):
            create(bad)
    key = create(timezone.now() + timedelta(days=29))
    longer = replace(KeySettings.from_key(key), expires_at=timezone.now() + timedelta(days=31))
    with pytest.raises(Invalid, match="expiry"):
        services.edit(key=key, version=1, key_settings=longer, by=acting(alice))
    assert (
        services.edit(
            key=old, version=1, key_settings=replace(KeySettings.from_key(old), name="Kept"), by=acting(alice)
        ).expires_at
        is None
    )


# The change and its event


@pytest.mark.quality(19)
@pytest.mark.parametrize("service", SERVICES)
def test_without_its_event_nothing_happens(key: Key, service: str, monkeypatch: pytest.MonkeyPatch):
    if service == "enable":
        services.disable(key=key, by=COMMAND)
    before, seq = everything(), Event.objects.latest("seq").seq

    def fail(*args: object, **data: object) -> int:
        raise RuntimeError("the trail cannot be written")

    for module in ("creation", "revealing", "editing", "state", "ownership"):
        monkeypatch.setattr(f"keys.services.{module}.record", fail)
    with pytest.raises(RuntimeError, match="trail"):
        act(service, key, COMMAND)

    assert everything() == before
    assert Event.objects.latest("seq").seq == seq
