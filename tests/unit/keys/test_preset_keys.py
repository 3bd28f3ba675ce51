"""Keys of all six presets, through the services: what each makes, and every rule that refuses one."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from accounts.models import Account, User
from core.actor import ConfirmationRequired
from core.authorization import AccountNotActive
from core.permissions import Role
from core.sealing import SealBroken, open_sealed
from keys import services
from keys.apis.policy import Policy
from keys.key_settings import KeySettings
from keys.models import IpList, IpListEntry, Key, Secret
from keys.services import Invalid
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import LEAST, a_key_of, api_for, confirmed, events, least

pytestmark = pytest.mark.django_db
PRESETS = sorted(LEAST)
BY_NICKNAME = ("lms-call-logic", "lynx")
SHOWN_ONCE = ("cloud-pbx", "sip-caller")


def a_list(account: Account, name: str, *networks: str, enabled: bool = True) -> IpList:
    made = IpList.objects.create(account=account, name=name)
    for network in networks:
        IpListEntry.objects.create(ip_list=made, network=ip_network(network), enabled=enabled)
    return made


def edit(key: Key, user: User, by: Any = None, **change: Any) -> Key:
    key_settings = replace(KeySettings.from_key(key), **change)
    return services.edit(key=key, version=key.version, key_settings=key_settings, by=by or acting(user))


def refused(slug: str, user: User, **key_settings: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as problem:
        a_key_of(slug, user, **key_settings)
    assert Key.objects.count() == 0
    return problem.value.message_dict


# What they make


@pytest.mark.parametrize("slug", PRESETS)
def test_a_key_is_as_its_form_asks(alice: User, slug: str):
    key = a_key_of(slug, alice).key

    key = Key.objects.get(pk=key.pk)
    assert key.name == ("Alice" if slug in BY_NICKNAME else LEAST[slug]["name"])
    assert key.username == ("dialer" if slug == "cloud-pbx" else "")
    assert key.all_modules == ("modules" not in LEAST[slug])
    assert (key.expires_at is None) == (slug != "sip-caller")
    assert "realm" not in key.fields
    (event,) = events("key.created")
    assert json.loads(event.body)["data"]["settings"]["name"] == key.name


@pytest.mark.parametrize("slug", PRESETS)
def test_a_secret_is_kept_as_its_credential_needs(alice: User, slug: str):
    made = a_key_of(slug, alice)
    secret = made.key.secrets.get()
    place: dict[str, Any] = {"account": made.key.account_id, "key": made.key.public_id}

    def opens(purpose: str, ring: Any) -> bool:
        try:
            sealed = bytes(secret.sealed or b"")
            return open_sealed(sealed, ring=ring, purpose=purpose, secret=str(secret.pk), **place) == made.token
        except SealBroken:
            return False

    signs = Policy.from_data(made.key.api.policy).signs
    assert opens("reveal", configured.SEALING_KEYS) == (slug in ("billing", "textpeak"))
    assert opens("sign", configured.SIGNING_KEYS) == signs == (slug in BY_NICKNAME)
    assert not opens("sign", configured.SEALING_KEYS)
    assert (secret.sealed is None) == (slug in SHOWN_ONCE)


@pytest.mark.parametrize("slug", PRESETS)
def test_what_can_be_shown_again_is_what_the_policy_says(alice: User, slug: str):
    made = a_key_of(slug, alice)
    by = confirmed(alice, "key.reveal", made.key.public_id)

    if slug in SHOWN_ONCE:
        with pytest.raises(services.NotRevealable):
            services.reveal(key=made.key, by=by)
        assert events("key.revealed") == []
    else:
        assert services.reveal(key=made.key, by=by) == made.token


@pytest.mark.parametrize("slug", ["cloud-pbx", "billing", "lynx", "textpeak"])
def test_lists_and_flags_are_the_keys_and_the_trail_names_them(alice: User, slug: str):
    office, home = a_list(alice.account, "Office", "10.0.0.0/8"), a_list(alice.account, "Home", "192.0.2.1")
    rules = Policy.from_data(api_for(alice.account, slug).policy)
    flags: dict[str, Any] = dict.fromkeys(rules.flags, True)
    key = a_key_of(slug, alice, ip_lists=frozenset({office.pk}), **flags).key

    assert set(key.ip_lists.all()) == {office}
    assert all(getattr(key, flag) for flag in rules.flags)
    fewer = frozenset({home.pk, office.pk})
    edit(key, alice, confirmed(alice, "key.edit", key.public_id), ip_lists=fewer)
    (event,) = events("key.edited")
    assert json.loads(event.body)["data"]["changes"] == {"ip_lists": [["Office"], ["Home", "Office"]]}
    edit(Key.objects.get(), alice, ip_lists=frozenset({home.pk}))
    assert set(key.ip_lists.all()) == {home}


# Usernames and nicknames


def test_a_username_is_taken_while_its_key_lives_in_its_account_and_api(alice: User):
    key = a_key_of("cloud-pbx", alice).key
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)

    with pytest.raises(Invalid) as taken:
        a_key_of("cloud-pbx", alice, name=" dialer ")
    assert taken.value.message_dict == {
        "name": ["Username dialer is already used by another API user. Choose another."],
    }
    a_key_of("cloud-pbx", greta)
    # HTTP Basic tells them apart, and so does the gateway.
    a_key_of("cloud-pbx", alice, name="Dialer")
    services.delete(key=key, by=acting(alice))
    a_key_of("cloud-pbx", alice)


@pytest.mark.parametrize("name", ["a:b", ":", "", " ", "a\nb"])
def test_a_username_is_one_that_basic_credentials_can_say(alice: User, name: str):
    assert list(refused("cloud-pbx", alice, name=name)) == ["name"]


@pytest.mark.parametrize("slug", BY_NICKNAME)
def test_a_key_is_called_by_its_owners_nickname_and_follows_the_owner(alice: User, slug: str):
    bob = a_user(alice.account, "Bob")
    key = a_key_of(slug, alice, owner=bob, name="Somebody else").key
    assert key.name == "Bob"

    with pytest.raises(Invalid, match="when the key is reassigned"):
        edit(key, alice, name="Robert")
    services.reassign(key=key, owner=alice, by=confirmed(alice, "key.reassign", key.public_id))

    assert Key.objects.get().name == "Alice"
    (event,) = events("key.reassigned")
    assert json.loads(event.body)["data"]["changes"] == {"owner": ["Bob", "Alice"], "name": ["Bob", "Alice"]}
    services.hand_over(user=alice, new_owner=bob, by=confirmed(alice, "keys.hand_over", str(alice.pk)))
    assert Key.objects.get().name == "Bob"


@pytest.mark.parametrize("slug", BY_NICKNAME)
def test_whose_key_it_is_must_be_said(alice: User, slug: str):
    token = uuid.uuid4()
    by = confirmed(alice, "key.create", str(token))
    arguments: dict[str, Any] = {
        "account": alice.account,
        "api": api_for(alice.account, slug),
        "key_settings": least(slug),
    }
    with pytest.raises(Invalid, match="owner"):
        services.create(form_token=token, by=by, **arguments)
    stranger = a_user(an_account("globex"), "Greta")
    with pytest.raises(Invalid, match="owner"):
        a_key_of(slug, alice, owner=stranger)


@pytest.mark.parametrize("slug", sorted(set(PRESETS) - set(BY_NICKNAME)))
def test_reassigning_keeps_every_other_name(alice: User, slug: str):
    key = a_key_of(slug, alice).key
    bob = a_user(alice.account, "Bob")

    services.reassign(key=key, owner=bob, by=confirmed(alice, "key.reassign", key.public_id))

    after = Key.objects.get()
    assert (after.owner, after.name, after.username) == (bob, key.name, key.username)


# What is refused


def test_addresses_are_required_of_an_api_user_by_entries_or_a_list(alice: User):
    assert list(refused("cloud-pbx", alice, networks=())) == ["addresses"]

    empty = a_list(alice.account, "Empty")
    key = a_key_of("cloud-pbx", alice, networks=(), ip_lists=frozenset({empty.pk})).key
    with pytest.raises(Invalid, match="addresses"):
        edit(key, alice, ip_lists=frozenset())
    assert set(key.ip_lists.all()) == {empty}


@pytest.mark.parametrize("slug", PRESETS)
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_an_account_that_is_not_active_gets_no_key(alice: User, slug: str, status: str):
    Account.objects.update(status=status)

    with pytest.raises(AccountNotActive):
        a_key_of(slug, alice)
    assert Key.objects.count() == 0


@pytest.mark.parametrize("slug", PRESETS)
def test_an_expiry_beyond_the_longest_is_refused(alice: User, slug: str, settings: Any):
    settings.KEY_MAX_LIFETIME_DAYS = 100
    late = timezone.now() + timedelta(days=101)

    assert list(refused(slug, alice, expires_at=late)) == ["expiry"]
    assert list(refused(slug, alice, expires_at=None)) == ["expiry"]
    a_key_of(slug, alice, expires_at=timezone.now() + timedelta(days=99))


def test_a_sip_caller_key_must_expire(alice: User):
    assert list(refused("sip-caller", alice, expires_at=None)) == ["expiry"]


@pytest.mark.parametrize("slug", PRESETS)
def test_a_module_of_another_api_is_refused(alice: User, slug: str):
    other = "customers" if slug != "billing" else "leads"

    assert other in refused(slug, alice, modules=frozenset({other}))["modules"][0]


@pytest.mark.parametrize("slug", PRESETS)
def test_an_ip_list_of_another_account_is_refused(alice: User, slug: str):
    foreign = a_list(an_account("globex"), "Theirs", "10.0.0.0/8")

    assert list(refused(slug, alice, ip_lists=frozenset({foreign.pk}))) == ["ip_lists"]
    key = a_key_of(slug, alice).key
    with pytest.raises(Invalid, match="no such IP list"):
        edit(key, alice, ip_lists=frozenset({foreign.pk}))
    assert list(key.ip_lists.all()) == []


@pytest.mark.parametrize("slug", PRESETS)
@pytest.mark.parametrize("flag", ["mask_phone", "hlr_lookup", "recordings"])
def test_a_flag_that_the_api_does_not_know_is_refused(alice: User, slug: str, flag: str):
    given: dict[str, Any] = {flag: True}
    known = flag in Policy.from_data(api_for(alice.account, slug).policy).flags

    if known:
        assert getattr(a_key_of(slug, alice, **given).key, flag)
    else:
        assert list(refused(slug, alice, **given)) == [flag]


SETTLED = [
    ("cloud-pbx", {"name": "other"}, "name"),
    ("lms-call-logic", {"name": "other"}, "name"),
    ("lynx", {"name": "other"}, "name"),
    ("sip-caller", {"modules": frozenset({"administrator"})}, "modules"),
    ("sip-caller", {"modules": None}, "modules"),
    ("sip-caller", {"networks": (ip_network("10.0.0.0/8"),)}, "addresses"),
    ("sip-caller", {"days": 30}, "expiry"),
    ("sip-caller", {"days": 120}, "expiry"),
    ("sip-caller", {"expires_at": None}, "expiry"),
]


@pytest.mark.parametrize(("slug", "change", "named"), SETTLED)
def test_what_creation_settled_stays_and_a_confirmation_does_not_help(
    alice: User, slug: str, change: dict[str, Any], named: str
):
    key = a_key_of(slug, alice).key
    change = dict(change)
    if days := change.pop("days", None):
        change["expires_at"] = timezone.now() + timedelta(days=days)

    with pytest.raises(Invalid) as problem:
        edit(key, alice, confirmed(alice, "key.edit", key.public_id), **change)
    assert list(problem.value.message_dict) == [named]
    assert (KeySettings.from_key(Key.objects.get()), events("key.edited")) == (KeySettings.from_key(key), [])


def test_a_sip_caller_keys_name_can_be_edited_and_nothing_else(alice: User):
    office = a_list(alice.account, "Office", "10.0.0.0/8")
    key = a_key_of("sip-caller", alice, ip_lists=frozenset({office.pk})).key

    assert edit(key, alice, name="Renamed").name == "Renamed"
    with pytest.raises(Invalid, match="ip_lists"):
        edit(Key.objects.get(), alice, ip_lists=frozenset())


def test_a_realm_of_ones_own_is_refused(alice: User):
    assert refused("cloud-pbx", alice, fields={"realm": "Mine"}) == {
        "realm": ["Realm is always API. Leave it as it is."]
    }


# What lets more in


def test_unmasking_and_recordings_need_the_password(alice: User):
    masked = a_key_of("cloud-pbx", alice, mask_phone=True).key
    silent = a_key_of("lms-call-logic", alice).key

    for key, change in ((masked, {"mask_phone": False}), (silent, {"recordings": True})):
        with pytest.raises(ConfirmationRequired):
            edit(key, alice, **change)
        edit(key, alice, confirmed(alice, "key.edit", key.public_id), **change)
        edit(Key.objects.get(pk=key.pk), alice, **{name: not on for name, on in change.items()})


def test_lists_and_entries_are_compared_by_what_they_admit(alice: User):
    office = a_list(alice.account, "Office", "10.0.0.0/9", "10.128.0.0/9")
    off = a_list(alice.account, "Off", "192.0.2.0/24", enabled=False)
    key = a_key_of("textpeak", alice, networks=(ip_network("10.0.0.0/8"),)).key

    key = edit(key, alice, networks=(), ip_lists=frozenset({office.pk, off.pk}))
    off.entries.update(enabled=True)
    key = edit(key, alice, networks=(ip_network("192.0.2.7"),))
    off.entries.update(enabled=False)
    with pytest.raises(ConfirmationRequired):
        edit(key, alice, networks=(ip_network("192.0.2.8"),))
    with pytest.raises(ConfirmationRequired):
        edit(key, alice, networks=(), ip_lists=frozenset())


# The change and its event


@pytest.mark.quality(19)
@pytest.mark.parametrize("slug", PRESETS)
@pytest.mark.parametrize("service", ["creation", "editing", "ownership"])
def test_without_its_event_nothing_happens(alice: User, slug: str, service: str, monkeypatch: pytest.MonkeyPatch):
    office = a_list(alice.account, "Office", "203.0.113.0/24")
    key = a_key_of(slug, alice).key
    bob = a_user(alice.account, "Bob")

    def rows() -> list[Any]:
        keys = Key.objects.order_by("pk")
        return [
            list(keys.values()),
            [KeySettings.from_key(key) for key in keys],
            list(Secret.objects.order_by("pk").values()),
        ]

    def fail(*args: object, **data: object) -> int:
        raise RuntimeError("the trail cannot be written")

    before = rows()
    monkeypatch.setattr(f"keys.services.{service}.record", fail)
    change = {"name": "Renamed"} if slug == "sip-caller" else {"ip_lists": frozenset({office.pk})}
    named: dict[str, Any] = {"name": "second"} if slug == "cloud-pbx" else {}
    deeds = {
        "creation": lambda: a_key_of(slug, alice, **named),
        "editing": lambda: edit(key, alice, **change),
        "ownership": lambda: services.reassign(key=key, owner=bob, by=confirmed(alice, "key.reassign", key.public_id)),
    }
    with pytest.raises(RuntimeError, match="trail"):
        deeds[service]()
    assert rows() == before
