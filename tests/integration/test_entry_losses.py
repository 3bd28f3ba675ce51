"""Narrowing, disabling and deleting entries of an IP list says which calls that were allowed lately it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.permissions import Role
from keys.ip_lists.entries import Entry
from keys.models import IpList, IpListEntry, Key
from keys.selectors import losses
from tests.answers import Response
from tests.ip_lists_made import an_ip_list
from tests.keys_made import a_billing_key, events
from tests.logbook import a_call
from tests.people import PASSWORD, a_user, an_account

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def alice(client: Client) -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    client.force_login(user)
    return user


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
    return sorted((loss.key.name, loss.use.address, loss.use.calls) for loss in response.context["losses"].found)


def test_disabling_and_deleting_entries_says_what_that_refuses(client: Client, offices: IpList) -> None:
    every = "&".join(f"entry={row.pk}" for row in offices.entries.all())
    for deed in ("disable", "delete"):
        path = f"/ip-lists/{offices.pk}/entries/{deed}/"
        narrow = client.get(f"{path}?entry={entry(offices, '198.51.100.0/24').pk}")
        # The other key's own address still lets it in.
        assert lost_by_list(narrow) == [("Invoice robot", "198.51.100.7", 3)]
        assert "This blocks calls that were allowed" in narrow.content.decode()
        assert lost_by_list(client.get(f"{path}?{every}")) == [
            ("Invoice robot", "198.51.100.7", 3),
            ("Invoice robot", "2001:db8::7", 1),
            ("Invoice robot", "203.0.113.9", 1),
            ("Shop", "203.0.113.9", 1),
        ]
        unused = client.get(f"{path}?entry={entry(offices, '192.0.2.0/24').pk}")
        assert "This blocks calls" not in unused.content.decode()


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
    accepts = asks.context["accepts"]
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
    accepts = asks.context["accepts"]
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
    accepts = change(client, row, "198.51.100.128/25").context["accepts"]
    assert change(client, row, "198.51.100.128/25", add=accepts).status_code == 302
    assert {"198.51.100.128/25", "198.51.100.7/32"} <= live(offices)
    assert events("ip_list.entries_added") == []
    assert json.loads(events("ip_list.entries_enabled")[-1].body)["data"]["networks"] == ["198.51.100.7"]


def test_to_add_them_too_is_kept_while_the_password_is_asked(client: Client, offices: IpList) -> None:
    row = entry(offices, "198.51.100.0/24")
    accepts = change(client, row, "192.0.3.0/24").context["accepts"]
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
    assert change(client, row, "203.0.113.9", enabled="", add=asks.context["accepts"]).status_code == 409
    assert "203.0.113.9/32" in live(offices)


def test_so_many_keys_of_a_list_are_looked_at(client: Client, offices: IpList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "MAX_KEYS", 1)
    page = client.get(f"/ip-lists/{offices.pk}/entries/disable/?entry={entry(offices, '203.0.113.9/32').pk}")
    assert len(lost_by_list(page)) == 1
    assert "with the keys that were used last (1 of 2)" in page.content.decode()
