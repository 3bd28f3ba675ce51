"""Every service of IP lists: what it does, what the trail says, whom it refuses, and that both live or die together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from accounts.models import Account, User
from core.actor import Actor, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import services
from keys.ip_lists import entries
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.entries import Entry
from keys.key_settings import Invalid
from keys.models import IpList, IpListEntry, Key
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.ip_lists import an_ip_list, widening
from tests.factories.keys import a_billing_key, confirmed, events

pytestmark = pytest.mark.django_db
NEW = Entry(ip_network("198.51.100.0/24"), "Berlin")


@pytest.fixture
def offices(alice: User) -> IpList:
    return an_ip_list(alice, "203.0.113.7", "!2001:db8::/32")


@pytest.fixture
def robot(alice: User, offices: IpList) -> Key:
    key = a_billing_key(alice).key
    offices.uses.create(key=key)
    return key


def pks(ip_list: IpList, **conditions: Any) -> list[int]:
    return list(ip_list.entries.filter(**conditions).values_list("pk", flat=True))


def act(service: str, ip_list: IpList, by: Actor) -> Any:
    """Call a service on a list of two entries, the first enabled, as its page does."""
    row = ip_list.entries.order_by("pk")[0]
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: ip_lists_services.create_list(account=ip_list.account, name="Another", entries=[NEW], by=by),
        "edit": lambda: ip_lists_services.edit_list(ip_list=ip_list, version=1, name="Renamed", description="", by=by),
        "add": lambda: ip_lists_services.add_entries(ip_list=ip_list, entries=[NEW], by=by),
        "change": lambda: ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=NEW, by=by),
        "enable": lambda: ip_lists_services.enable_entries(ip_list=ip_list, entries=pks(ip_list), by=by),
        "disable": lambda: ip_lists_services.disable_entries(ip_list=ip_list, entries=pks(ip_list), by=by),
        "delete entries": lambda: ip_lists_services.delete_entries(ip_list=ip_list, entries=pks(ip_list), by=by),
        "delete": lambda: ip_lists_services.delete_lists(account=ip_list.account, lists=[ip_list.pk], by=by),
    }
    return calls[service]()


SERVICES = ["create", "edit", "add", "change", "enable", "disable", "delete entries", "delete"]
WIDENING = ["add", "change", "enable"]


def everything() -> list[Any]:
    return [list(table.objects.order_by("pk").values()) for table in (IpList, IpListEntry)]


def data(name: str) -> dict[str, Any]:
    (event,) = events(name)
    return json.loads(event.body)["data"]


# What they do


def test_a_new_list_has_its_entries_and_one_event_that_counts_and_hashes_them(alice: User):
    given = [Entry(ip_network("203.0.113.0/24"), " Office "), Entry(ip_network("::1/128"), enabled=False)]
    made = ip_lists_services.create_list(
        account=alice.account, name=" Offices ", description="Ours", entries=given, by=acting(alice)
    )

    assert (made.name, made.description, made.account, made.version) == ("Offices", "Ours", alice.account, 1)
    assert {Entry.from_row(row) for row in made.entries.all()} == {given[0]._replace(description="Office"), given[1]}
    lines = "203.0.113.0/24\tOffice\ttrue\n::1/128\t\tfalse\n"
    assert data("ip_list.created") == {
        "settings": {"name": "Offices", "description": "Ours"},
        "entries": 2,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "networks": ["203.0.113.0/24", "::1"],
    }
    [event] = events("ip_list.created")
    assert (event.target_kind, event.target_id, event.target) == ("ip_list", str(made.pk), "Offices")


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"name": " "}, "name", "Give the list a name"),
        ({"name": "offices"}, "name", "A list named"),
        ({"name": "x" * 201}, "name", "201 characters long. Use at most 200"),
        ({"name": "a\u202eb"}, "name", "invisible characters"),
        ({"description": "x" * 501}, "description", "Use at most 500"),
        ({"entries": [NEW, NEW]}, "network", "198.51.100.0/24 is already on this list"),
        ({"entries": [NEW._replace(description="a\tb")]}, "description", "invisible characters"),
        ({"entries": [NEW._replace(description="x" * 201)]}, "description", "Use at most 200"),
    ],
)
def test_what_a_list_may_not_be_is_said_at_the_field(
    alice: User, offices: IpList, given: dict[str, Any], field: str, message: str
):
    before = everything()

    with pytest.raises(Invalid) as refused:
        ip_lists_services.create_list(account=alice.account, by=acting(alice), **{"name": "New", **given})
    assert message in refused.value.message_dict[field][0]
    assert everything() == before


def test_two_accounts_may_use_the_same_name(alice: User, offices: IpList):
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)

    assert an_ip_list(greta).name == offices.name


def test_a_list_holds_so_many_entries_and_no_more(alice: User, offices: IpList, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(entries, "MAX_ENTRIES", 2)

    with pytest.raises(Invalid, match="at most 2 entries; 2 existing and 1 new"):
        ip_lists_services.add_entries(ip_list=offices, entries=[NEW], by=acting(alice))


def test_editing_bumps_the_version_and_of_two_the_second_is_told(alice: User, offices: IpList):
    ip_lists_services.edit_list(ip_list=offices, version=1, name="First", description="", by=acting(alice))

    with pytest.raises(ip_lists_services.ListChanged) as refused:
        ip_lists_services.edit_list(ip_list=offices, version=1, name="Second", description="", by=acting(alice))
    assert (refused.value.ip_list.name, refused.value.ip_list.version) == ("First", 2)
    assert data("ip_list.edited") == {"changes": {"name": ["Offices", "First"]}}


def test_a_list_is_not_renamed_to_another_ones_name(alice: User, offices: IpList):
    an_ip_list(alice, name="Homes")

    with pytest.raises(Invalid, match="A list named homes already exists"):
        ip_lists_services.edit_list(ip_list=offices, version=1, name="homes", description="", by=acting(alice))
    assert IpList.objects.get(pk=offices.pk).name == "Offices"


def test_an_edit_of_nothing_changes_nothing(alice: User, offices: IpList):
    row = offices.entries.first()
    ip_lists_services.edit_list(ip_list=offices, version=1, name="Offices", description="", by=acting(alice))
    ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=Entry.from_row(row), by=acting(alice))
    ip_lists_services.add_entries(ip_list=offices, entries=[], by=acting(alice))
    ip_lists_services.delete_entries(ip_list=offices, entries=[0], by=acting(alice))

    assert IpList.objects.get().version == 1
    assert [event.name for name in CHANGES for event in events(name)] == []


CHANGES = ["ip_list.edited", "ip_list.entry_changed", "ip_list.entries_added", "ip_list.entries_deleted"]


def test_entries_are_added_all_or_none(alice: User, offices: IpList):
    taken = Entry(ip_network("203.0.113.7/32"))
    with pytest.raises(Invalid, match=r"203\.0\.113\.7 is already on this list"):
        ip_lists_services.add_entries(ip_list=offices, entries=[NEW, taken], by=acting(alice))
    assert offices.entries.count() == 2

    assert ip_lists_services.add_entries(ip_list=offices, entries=[NEW], by=acting(alice)) == 1
    assert data("ip_list.entries_added")["networks"] == ["198.51.100.0/24"]


def test_changing_an_entry_tells_what_it_was(alice: User, offices: IpList):
    row = offices.entries.get(enabled=True)
    ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=NEW, by=acting(alice))

    assert Entry.from_row(IpListEntry.objects.get(pk=row.pk)) == NEW
    assert data("ip_list.entry_changed") == {
        "network": "203.0.113.7",
        "changes": {"network": ["203.0.113.7", "198.51.100.0/24"], "description": ["", "Berlin"]},
    }
    with pytest.raises(ip_lists_services.EntryChanged):
        ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=NEW, by=acting(alice))


def test_an_entry_does_not_become_one_that_is_there(alice: User, offices: IpList):
    row = offices.entries.get(enabled=True)

    with pytest.raises(Invalid, match="2001:db8::/32 is already on this list"):
        to = Entry(ip_network("2001:db8::/32"))
        ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=to, by=acting(alice))


def test_enabling_and_disabling_count_what_changed(alice: User, offices: IpList):
    assert ip_lists_services.enable_entries(ip_list=offices, entries=pks(offices), by=acting(alice)) == 1
    assert ip_lists_services.enable_entries(ip_list=offices, entries=pks(offices), by=acting(alice)) == 0
    assert ip_lists_services.disable_entries(ip_list=offices, entries=pks(offices), by=acting(alice)) == 2

    assert data("ip_list.entries_enabled")["networks"] == ["2001:db8::/32"]
    assert data("ip_list.entries_disabled")["entries"] == 2
    assert pks(offices, enabled=True) == []


def test_entries_of_another_list_are_not_touched(alice: User, offices: IpList):
    other = an_ip_list(alice, "192.0.2.1", "!192.0.2.2", name="Other")
    before = everything()
    for service in (
        ip_lists_services.enable_entries,
        ip_lists_services.disable_entries,
        ip_lists_services.delete_entries,
    ):
        assert service(ip_list=offices, entries=pks(other), by=acting(alice)) == 0

    assert everything() == before


def test_a_list_in_use_is_not_deleted_and_its_keys_are_named(alice: User, offices: IpList, robot: Key):
    free = an_ip_list(alice, name="Free")

    with pytest.raises(ip_lists_services.ListInUse) as refused:
        ip_lists_services.delete_lists(account=alice.account, lists=[free.pk, offices.pk], by=acting(alice))
    assert refused.value.uses == {offices: [robot]}
    assert IpList.objects.count() == 2


def test_a_deleted_key_uses_no_list(alice: User, offices: IpList, robot: Key):
    services.delete(key=robot, by=acting(alice))

    assert ip_lists_services.delete_lists(account=alice.account, lists=[offices.pk], by=acting(alice)) == 1
    assert (IpList.objects.count(), IpListEntry.objects.count()) == (0, 0)
    assert data("ip_list.deleted")["entries"] == 2


# What lets more in


@pytest.mark.parametrize("service", WIDENING)
def test_letting_more_in_needs_a_confirmation_once_a_key_uses_the_list(
    alice: User, offices: IpList, robot: Key, service: str
):
    before = everything()
    other = an_ip_list(alice, name="Other")
    with pytest.raises(ConfirmationRequired):
        act(service, offices, acting(alice))
    with pytest.raises(ConfirmationRequired):
        act(service, offices, widening(alice, other))
    with pytest.raises(ConfirmationRequired):
        act(service, offices, confirmed(alice, "key.edit", str(offices.pk)))
    other.delete()
    assert everything() == before

    act(service, offices, widening(alice, offices))
    assert everything() != before


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "delete"])
def test_a_list_that_only_a_deleted_key_used_needs_none(alice: User, offices: IpList, robot: Key, service: str):
    services.delete(key=robot, by=acting(alice))

    act(service, offices, acting(alice))


@pytest.mark.parametrize("service", ["create", "edit", "disable", "delete entries"])
def test_letting_less_in_needs_none(offices: IpList, robot: Key, alice: User, service: str):
    act(service, offices, acting(alice))


def test_an_entry_that_admits_nobody_new_needs_none(alice: User, offices: IpList, robot: Key):
    off, on = offices.entries.order_by("enabled")
    ip_lists_services.add_entries(ip_list=offices, entries=[NEW._replace(enabled=False)], by=acting(alice))
    for row, to in (
        (on, Entry(ip_network("203.0.113.7/32"), "Described")),
        (off, Entry(ip_network("2001:db8::/16", strict=False), enabled=False)),
    ):
        ip_lists_services.change_entry(entry=row, stamp=Entry.from_row(row).stamp, to=to, by=acting(alice))


@pytest.mark.parametrize(
    ("to", "more"),
    [
        (("203.0.113.0/25", True), False),
        (("203.0.113.0/24", False), False),
        (("203.0.112.0/23", True), True),
        (("198.51.100.1/32", True), True),
        (("::/0", True), True),
    ],
)
def test_what_admits_more(to: tuple[str, bool], more: bool):
    before = Entry(ip_network("203.0.113.0/24"))

    assert Entry(ip_network(to[0]), enabled=to[1]).admits_more_than(before) is more
    assert Entry(ip_network(to[0]), enabled=to[1]).admits_more_than(before._replace(enabled=False)) is to[1]


# Whom they refuse


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.AUDITOR, None])
def test_only_administrators_pass(offices: IpList, service: str, role: Role | None):
    before = everything()
    bob = a_user(offices.account, "Bob", *filter(None, [role]))

    with pytest.raises(Denied):
        act(service, offices, widening(bob, offices))
    assert everything() == before


@pytest.mark.parametrize("service", SERVICES)
def test_an_administrator_of_another_account_does_not_pass(offices: IpList, service: str):
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)
    before = everything()

    with pytest.raises(Denied):
        act(service, offices, widening(greta, offices))
    assert everything() == before


def test_a_list_of_another_account_is_not_deleted_by_its_number(alice: User, offices: IpList):
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)

    assert ip_lists_services.delete_lists(account=greta.account, lists=[offices.pk], by=acting(greta)) == 0
    assert IpList.objects.count() == 1


@pytest.mark.parametrize("service", SERVICES)
def test_support_adds_entries_confirmed_and_nothing_else(alice: User, offices: IpList, service: str):
    sam = a_user(None, "Sam", Role.SUPPORT)

    with pytest.raises(ConfirmationRequired if service == "add" else Denied):
        act(service, offices, acting(sam))
    if service == "add":
        assert act(service, offices, widening(sam, offices)) == 1


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_lists_of_an_account_that_is_not_active_stay_as_they_are(
    alice: User, offices: IpList, service: str, status: str
):
    Account.objects.update(status=status)
    before = everything()

    with pytest.raises(AccountNotActive):
        act(service, offices, widening(alice, offices))
    assert everything() == before


@pytest.mark.parametrize("service", [name for name in SERVICES if name not in ("create", "delete", "change")])
def test_a_deleted_list_is_gone_for_every_service(alice: User, offices: IpList, service: str):
    gone = IpList.objects.get()
    row = offices.entries.first()
    ip_lists_services.delete_lists(account=alice.account, lists=[offices.pk], by=acting(alice))

    calls: dict[str, Callable[[], Any]] = {
        "edit": lambda: ip_lists_services.edit_list(
            ip_list=gone, version=1, name="Other", description="", by=acting(alice)
        ),
        "add": lambda: ip_lists_services.add_entries(ip_list=gone, entries=[NEW], by=acting(alice)),
        "enable": lambda: ip_lists_services.enable_entries(ip_list=gone, entries=[row.pk], by=acting(alice)),
        "disable": lambda: ip_lists_services.disable_entries(ip_list=gone, entries=[row.pk], by=acting(alice)),
        "delete entries": lambda: ip_lists_services.delete_entries(ip_list=gone, entries=[row.pk], by=acting(alice)),
    }
    with pytest.raises(IpList.DoesNotExist):
        calls[service]()


# Both or neither


@pytest.mark.quality(19)
@pytest.mark.parametrize("service", SERVICES)
def test_an_event_that_cannot_be_written_stops_the_action(
    alice: User, offices: IpList, service: str, monkeypatch: pytest.MonkeyPatch
):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("the trail is full")

    monkeypatch.setattr(ip_lists_services, "record", broken)
    before = everything()

    with pytest.raises(OSError, match="the trail is full"):
        act(service, offices, acting(alice))
    assert everything() == before
