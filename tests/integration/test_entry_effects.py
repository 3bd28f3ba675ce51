"""Narrowing, disabling and deleting entries of an IP list says which calls that were allowed lately it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from keys.ip_lists.entries import Entry
from keys.models import IpList, IpListEntry, Key, KeyListing
from keys.selectors import replay
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, events
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def alice(unsummed: User) -> User:
    return unsummed


def used(key: Key, address: str, times: int = 1) -> Any:
    for hours in range(times):
        a_call(key.account, time=NOW - timedelta(hours=hours + 1), key_id=key.public_id, client_address=address)


@pytest.fixture
def offices(alice: User) -> IpList:
    """All that a key comes from, and more; another key has the list and an address of its own."""
    key = a_billing_key(alice).key
    for address, times in (("198.51.100.7", 3), ("203.0.113.9", 1), ("2001:db8::7", 1)):
        used(key, address, times)
    ip_list = an_ip_list(alice, "198.51.100.0/24", "203.0.113.9", "2001:db8::/32", "192.0.2.0/24", used_by=key)
    other = a_billing_key(alice, "198.51.100.7", name="Shop").key
    other.list_grants.create(ip_list=ip_list)
    used(other, "198.51.100.7")
    used(other, "203.0.113.9")
    return ip_list


def entry(ip_list: IpList, network: str) -> IpListEntry:
    return ip_list.entries.get(network=network)


def lost_by_list(response: Response) -> list[tuple[str, str, int]]:
    effect = response.context["effect"]
    return sorted(
        (effect.replay.names[key_id], each.used.address, calls)
        for each in (effect.replay.effect.refused if effect else ())
        for key_id, calls in zip(each.used.key_ids, each.used.calls, strict=True)
    )


def test_disabling_and_deleting_entries_says_what_that_refuses(client: Client, offices: IpList) -> None:
    every = "&".join(f"entry={row.pk}" for row in offices.entries.all())
    for deed in ("disable", "delete"):
        path = f"/ip-lists/{offices.pk}/entries/{deed}/"
        narrow = client.get(f"{path}?entry={entry(offices, '198.51.100.0/24').pk}")
        # The other key's own address still lets it in.
        assert lost_by_list(narrow) == [("Invoice robot", "198.51.100.7", 3)]
        assert "Would have refused" in narrow.content.decode()
        assert lost_by_list(client.get(f"{path}?{every}")) == [
            ("Invoice robot", "198.51.100.7", 3),
            ("Invoice robot", "2001:db8::7", 1),
            ("Invoice robot", "203.0.113.9", 1),
            ("Shop", "203.0.113.9", 1),
        ]
        unused = client.get(f"{path}?entry={entry(offices, '192.0.2.0/24').pk}")
        assert "Would have refused" not in unused.content.decode()


def test_of_too_many_keys_those_used_last_are_checked_and_it_says_so(
    client: Client, offices: IpList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "MAX_KEYS", 1)
    every = "&".join(f"entry={row.pk}" for row in offices.entries.all())
    path = f"/ip-lists/{offices.pk}/entries/disable/"
    robot, shop = Key.objects.order_by("pk")
    for last in (robot, shop):
        KeyListing.objects.update(used_at=NOW - timedelta(days=1))
        KeyListing.objects.filter(key=last).update(used_at=NOW)
        said = client.get(f"{path}?{every}")
        assert {name for name, _, _ in lost_by_list(said)} == {last.name}
        assert "Only the key that was used last was checked, of 2." in said.content.decode()
    # It is said even if the checked key is not concerned.
    robots = client.get(f"{path}?entry={entry(offices, '2001:db8::/32').pk}")
    assert lost_by_list(robots) == []
    assert "Only the key that was used last was checked, of 2." in robots.content.decode()
    monkeypatch.setattr(replay, "MAX_KEYS", 2)
    assert "used last" not in client.get(f"{path}?{every}").content.decode()


def test_narrowing_an_entry_asks_first(client: Client, offices: IpList) -> None:
    row = entry(offices, "198.51.100.0/24")
    stamp = Entry.from_row(row).stamp
    path = f"/ip-lists/{offices.pk}/entries/{row.pk}/edit/"
    typed = {"network": "198.51.100.128/25", "description": "Berlin", "enabled": "on", "stamp": stamp}
    asks = client.post(path, typed)
    assert asks.status_code == 409
    assert lost_by_list(asks) == [("Invoice robot", "198.51.100.7", 3)]
    assert 'value="Berlin"' in asks.content.decode()
    assert lost_by_list(client.post(path, typed | {"network": "198.51.100.0/25", "enabled": ""})) == lost_by_list(asks)
    # An answer holds for the change it was given about.
    accepts = asks.context["effect"].token
    assert client.post(path, typed | {"network": "198.51.100.192/26", "accepts": accepts}).status_code == 409
    row.refresh_from_db()
    assert str(row.network) == "198.51.100.0/24"
    assert client.post(path, typed | {"accepts": accepts}).status_code == 302
    row.refresh_from_db()
    assert str(row.network) == "198.51.100.128/25"
    # What nobody comes from is saved at once.
    row = entry(offices, "192.0.2.0/24")
    path = f"/ip-lists/{offices.pk}/entries/{row.pk}/edit/"
    typed |= {"network": "192.0.2.128/25", "stamp": Entry.from_row(row).stamp}
    assert client.post(path, typed).status_code == 302


def change(client: Client, row: IpListEntry, network: str, **given: str) -> Response:
    typed = {"network": network, "description": "Berlin", "enabled": "on", "stamp": Entry.from_row(row).stamp}
    return client.post(f"/ip-lists/{row.ip_list_id}/entries/{row.pk}/edit/", typed | given)


def live(ip_list: IpList) -> set[str]:
    return {str(row.network) for row in ip_list.entries.filter(enabled=True)}


def test_what_a_narrower_entry_would_refuse_gets_entries_of_its_own(client: Client, offices: IpList) -> None:
    row = entry(offices, "198.51.100.0/24")
    others = live(offices) - {"198.51.100.0/24"}
    asks = change(client, row, "198.51.100.128/25")
    assert "Add them too" in asks.content.decode()
    accepts = asks.context["effect"].token
    # The answer is about this change and no other.
    assert change(client, row, "198.51.100.192/26", add=accepts).status_code == 409
    assert live(offices) == others | {"198.51.100.0/24"}

    assert change(client, row, "198.51.100.128/25", add=accepts).status_code == 302
    assert live(offices) == others | {"198.51.100.128/25", "198.51.100.7/32"}
    assert entry(offices, "198.51.100.7/32").description == "Berlin"
    assert json.loads(events("ip_list.entries_added")[-1].body)["data"]["networks"] == ["198.51.100.7"]
    assert len(events("ip_list.entry_changed")) == 1


def test_what_would_be_added_and_is_there_disabled_is_enabled(client: Client, offices: IpList) -> None:
    offices.entries.create(network="198.51.100.7", enabled=False)
    row = entry(offices, "198.51.100.0/24")
    accepts = change(client, row, "198.51.100.128/25").context["effect"].token
    assert change(client, row, "198.51.100.128/25", add=accepts).status_code == 302
    assert {"198.51.100.128/25", "198.51.100.7/32"} <= live(offices)
    assert events("ip_list.entries_added") == []
    assert json.loads(events("ip_list.entries_enabled")[-1].body)["data"]["networks"] == ["198.51.100.7"]


def test_to_add_them_too_is_kept_while_the_password_is_asked(client: Client, offices: IpList) -> None:
    row = entry(offices, "198.51.100.0/24")
    accepts = change(client, row, "192.0.3.0/24").context["effect"].token
    asks = change(client, row, "192.0.3.0/24", add=accepts)
    assert asks.status_code == 422
    assert f'name="add" value="{accepts}"' in asks.content.decode()
    assert change(client, row, "192.0.3.0/24", add=accepts, password=PASSWORD).status_code == 302
    assert {"192.0.3.0/24", "198.51.100.7/32"} <= live(offices)


def test_an_address_that_is_itself_disabled_is_not_added_again(client: Client, offices: IpList) -> None:
    row = entry(offices, "203.0.113.9/32")
    asks = change(client, row, "203.0.113.9", enabled="")
    assert asks.status_code == 409
    assert "Add them too" not in asks.content.decode()
    assert change(client, row, "203.0.113.9", enabled="", add=asks.context["effect"].token).status_code == 409
    assert "203.0.113.9/32" in live(offices)


def test_an_import_says_first_what_it_would_let_in(client: Client, offices: IpList) -> None:
    robot = Key.objects.get(name="Invoice robot")
    for hours, address in ((1, "198.18.0.7"), (2, "198.18.0.7"), (3, "198.18.0.9")):
        a_call(
            robot.account, time=NOW - timedelta(hours=hours), key_id=robot.public_id, client_address=address,
            reason="ip_not_allowed", decision="denied",
        )  # fmt: skip
    path = f"/ip-lists/{offices.pk}/import/"
    preview = client.post(path, {"text": "198.18.0.7\n198.18.0.9,Partner,false\n"})
    [sentence] = preview.context["effect"].sentences
    assert sentence == "Would have allowed 2 calls that were refused, from 1 address, on 1 module."
    assert sentence in preview.content.decode()
    assert live(offices) == {"198.51.100.0/24", "203.0.113.9/32", "2001:db8::/32", "192.0.2.0/24"}
    # It only admits more: nothing has to be accepted, and only the password is asked for.
    sent = {"shown": preview.context["form"].initial["shown"], "password": PASSWORD}
    assert client.post(path, sent).status_code == 302
    assert "198.18.0.7/32" in live(offices)
    # Entries that are added disabled have no effect.
    assert client.post(path, {"text": "198.18.0.8,Partner,false"}).context["effect"] is None
