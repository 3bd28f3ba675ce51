"""A save that would refuse what was allowed lately says so and asks; with the first address of a key above all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from audit.calls import uses
from audit.calls.uses import get_uses
from core.permissions import Role
from keys.key_settings import KeySettings
from keys.models import Key
from tests.answers import Response
from tests.ip_lists_made import an_ip_list
from tests.keys_made import a_billing_key, billing_for, events
from tests.logbook import a_call, more_calls
from tests.people import PASSWORD, a_user, an_account

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def alice(client: Client) -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    billing_for(user.account)
    client.force_login(user)
    return user


@pytest.fixture
def key(alice: User) -> Key:
    """Open to any address and for all modules, and used from three places."""
    key = a_billing_key(alice).key
    used(key, "198.51.100.7", "invoices", days=2)
    used(key, "198.51.100.7", "invoices", hours=3)
    used(key, "198.51.100.7", "customers", hours=4)
    used(key, "203.0.113.9", "customers", days=20)
    used(key, "2001:db8::7", "invoices", days=1)
    # None of these counts: too long ago, refused, of another key.
    used(key, "192.0.2.1", "payments", days=31)
    used(key, "192.0.2.2", "payments", days=1, decision="denied", reason="module_not_granted")
    a_call(key.account, client_address="192.0.2.3", module="payments")
    return key


def used(key: Key, address: str, module: str, *, decision: str = "allowed", reason: str = "", **ago: int) -> Any:
    columns = {"client_address": address, "module": module, "decision": decision, "reason": reason}
    return a_call(key.account, time=NOW - timedelta(**ago), key_id=key.public_id, **columns)


def save(client: Client, key: Key, **other: Any) -> Response:
    key_settings = KeySettings.from_key(Key.objects.get(pk=key.pk))
    data = {
        "name": key_settings.name,
        **key_settings.fields,
        "addresses": "\n".join(map(str, key_settings.networks)),
        "every_module": "all" if key_settings.modules is None else "some",
        "modules": list(key_settings.modules or ()),
        "expiry": "keep",
        "version": str(Key.objects.get(pk=key.pk).version),
    }
    return client.post(f"/keys/{key.public_id}/edit/", data | other)


def lost(response: Response) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    found = response.context["losses"]
    return [use[:2] for use in found.addresses], [use[:2] for use in found.modules]


def networks(key: Key) -> set[str]:
    return {str(address.network) for address in key.addresses.all()}


def test_the_first_address_of_a_key_names_the_clients_it_would_cut_off(client: Client, key: Key) -> None:
    answer = save(client, key, addresses="203.0.113.0/24", name="Renamed")

    assert answer.status_code == 409
    assert lost(answer) == ([("198.51.100.7", 3), ("2001:db8::7", 1)], [])
    page = answer.content.decode()
    assert "This would block calls that were allowed in the last 30 days." in page
    assert "Based on all calls with the key in the last 30 days." in page
    # Nothing is saved, and nothing that was typed is lost.
    assert 'value="Renamed"' in page
    assert "203.0.113.0/24</textarea>" in page
    assert networks(key) == set()
    assert events("key.edited") == []


def test_add_them_too_saves_with_them(client: Client, key: Key) -> None:
    accepts = save(client, key, addresses="203.0.113.0/24").context["accepts"]
    answer = save(client, key, addresses="203.0.113.0/24", add=accepts)

    assert answer.status_code == 302
    assert networks(key) == {"203.0.113.0/24", "198.51.100.7/32", "2001:db8::7/128"}
    assert len(events("key.edited")) == 1


def test_save_anyway_saves_what_was_typed(client: Client, key: Key) -> None:
    accepts = save(client, key, addresses="203.0.113.0/24").context["accepts"]
    # An answer holds for the settings it was given about, and for no others.
    assert save(client, key, addresses="203.0.113.0/25", accepts=accepts).status_code == 409
    assert save(client, key, addresses="203.0.113.0/25", add=accepts).status_code == 409
    assert save(client, key, addresses="203.0.113.0/24", accepts=accepts).status_code == 302
    assert networks(key) == {"203.0.113.0/24"}


def test_modules_that_were_used_are_named_and_can_be_kept(client: Client, key: Key) -> None:
    answer = save(client, key, every_module="some", modules=["payments"])

    assert lost(answer) == ([], [("invoices", 3), ("customers", 2)])
    assert "Invoices" in answer.content.decode()
    accepts = answer.context["accepts"]
    assert save(client, key, every_module="some", modules=["payments"], add=accepts).status_code == 302
    assert KeySettings.from_key(Key.objects.get(pk=key.pk)).modules == {"payments", "invoices", "customers"}


def test_an_ip_list_that_is_picked_narrows_too(client: Client, key: Key, alice: User) -> None:
    offices = an_ip_list(alice, "198.51.100.0/24", "!2001:db8::/32", name="Offices")

    answer = save(client, key, ip_lists=[str(offices.pk)])
    assert lost(answer) == ([("2001:db8::7", 1), ("203.0.113.9", 1)], [])


def test_what_was_refused_already_is_not_asked_about(client: Client, key: Key) -> None:
    for address in ("198.51.100.7", "203.0.113.9", "2001:db8::7"):
        key.addresses.create(network=address)
    key.addresses.create(network="192.0.2.0/24")
    # Nothing of what was used goes.
    assert save(client, key, addresses="198.51.100.7\n203.0.113.9\n2001:db8::7").status_code == 302
    # Only what goes with this save.
    assert lost(save(client, key, addresses="198.51.100.7\n203.0.113.9")) == ([("2001:db8::7", 1)], [])
    # More is no loss, and neither is another name. What lets more in needs the password, as ever.
    assert save(client, key, name="Another").status_code == 302
    assert save(client, key, addresses="").status_code == 422


def test_the_answer_is_kept_while_the_password_is_asked(client: Client, key: Key) -> None:
    key.addresses.create(network="198.51.100.7")
    typed = {"addresses": "192.0.2.0/24"}
    accepts = save(client, key, **typed).context["accepts"]
    asks = save(client, key, **typed, accepts=accepts)
    assert asks.status_code == 422
    assert "This change allows more than before" in asks.content.decode()
    assert f'name="accepts" value="{accepts}"' in asks.content.decode()
    assert save(client, key, **typed, accepts=accepts, password=PASSWORD).status_code == 302
    assert networks(key) == {"192.0.2.0/24"}


def test_more_addresses_than_there_is_room_for_are_not_offered(client: Client, key: Key) -> None:
    for n in range(100):
        used(key, f"192.0.2.{n}", "invoices", hours=1)
    answer = save(client, key, addresses="203.0.113.0/24")
    page = answer.content.decode()
    assert len(lost(answer)[0]) == 102
    assert "and 92 more addresses." in page
    assert "Add them too" not in page
    accepts = answer.context["accepts"]
    assert save(client, key, addresses="203.0.113.0/24", add=accepts).status_code == 409
    assert networks(key) == set()


def test_recordings_and_unlisted_routes_are_of_no_module(key: Key) -> None:
    a_call(key.account, key_id=key.public_id, module="recordings", credential="recording")
    a_call(key.account, key_id=key.public_id, module="")
    assert {use.what for use in get_uses(key.account_id, key.public_id).modules} == {"invoices", "customers"}


def test_what_it_costs_is_bounded_and_said(client: Client, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a key with more calls than are looked at, some of each hour before them are looked at too."""
    monkeypatch.setattr(uses, "MAX_ROWS_SCANNED", 1_440)
    busy = used(key, "192.0.2.99", "payments", minutes=1)
    more_calls(busy, 2_000)
    answer = save(client, key, addresses="203.0.113.0/24")

    assert dict(lost(answer)[0]).keys() == {"192.0.2.99", "198.51.100.7", "2001:db8::7"}
    assert dict(lost(answer)[0])["192.0.2.99"] < 2_001
    assert "and up to 2 of each hour before; there may be more." in answer.content.decode()


def test_refusals_alone_do_not_hide_what_was_allowed_before(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "MAX_ROWS_SCANNED", 1_440)
    refused = used(key, "192.0.2.99", "payments", minutes=1, decision="denied", reason="ip_not_allowed")
    more_calls(refused, 1_500)
    found = get_uses(key.account_id, key.public_id)
    assert {use.what for use in found.addresses} == {"198.51.100.7", "203.0.113.9", "2001:db8::7"}
    assert found.scanned_since is not None


def test_a_list_that_is_made_with_the_key_narrows_too(client: Client, key: Key) -> None:
    typed = {"new_list": "Offices", "new_list_entries": "198.51.100.0/24"}
    answer = save(client, key, **typed)
    assert lost(answer) == ([("2001:db8::7", 1), ("203.0.113.9", 1)], [])
    accepts = answer.context["accepts"]
    assert save(client, key, **typed | {"new_list_entries": "192.0.2.1"}, accepts=accepts).status_code == 409
    assert save(client, key, **typed, add=accepts).status_code == 302
    assert networks(key) == {"2001:db8::7/128", "203.0.113.9/32"}
