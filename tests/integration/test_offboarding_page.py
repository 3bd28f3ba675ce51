"""The page that deactivates a user: which keys were used lately, what becomes of each, and every fault at once."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from keys.models import Key, SecretUse
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key, a_key_of, events
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def alice(unsummed: User) -> User:
    return unsummed


@pytest.fixture
def bob(alice: User) -> User:
    return a_user(alice.account, "Bob")


def text(response: Response) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html.unescape(response.content.decode())))


def url(user: User) -> str:
    return f"/users/{user.pk}/deactivate/"


def test_the_page_says_which_keys_were_used_lately(client: Client, alice: User, bob: User) -> None:
    used, _ = (a_billing_key(alice, owner=bob, name=name).key for name in ("Shop", "Old robot"))
    for days, reason in ((1, ""), (29, ""), (45, ""), (1, "invalid_credentials")):
        decision = "denied" if reason else "allowed"
        a_call(used.account, key_id=used.public_id, time=NOW - timedelta(days=days), reason=reason, decision=decision)

    SecretUse.objects.create(secret=used.secrets.get(), used_at=NOW - timedelta(days=1), address="203.0.113.8")

    page = text(client.get(url(bob)))

    assert "They own 2 keys." in page
    # The last used comes first.
    assert re.search(r"Shop .*Last used .* 203.0.113.8 · 2 calls in the last 30 days .*Old robot .*Never used", page)
    assert "Would have refused 2 of 2 calls, from 1 address, on 1 module." in page


def test_each_key_goes_its_own_way(client: Client, alice: User, bob: User) -> None:
    carol = a_user(alice.account, "Carol")
    names = ("Shop", "Kiosk", "Report", "Archive")
    shop, kiosk, report, archive = (a_billing_key(alice, owner=bob, name=name).key for name in names)
    sent = {
        "keys": "give", "heir": carol.pk, "password": PASSWORD,
        f"keys-{kiosk.public_id}": "expire", f"heir-{kiosk.public_id}": "alice",
        f"expires_on-{kiosk.public_id}": "2099-12-31",
        f"keys-{report.public_id}": "disable", f"keys-{archive.public_id}": "leave",
    }  # fmt: skip

    response = client.post(url(bob), sent, follow=True)

    assert "Bob is deactivated, and signed out everywhere. 2 of their 4 keys now belong to Alice, Carol." in text(
        response
    )
    for key in (shop, kiosk, report, archive):
        key.refresh_from_db()
    assert [key.owner.nickname for key in (shop, kiosk, report, archive)] == ["Carol", "Alice", "Bob", "Bob"]
    assert [key.enabled for key in (shop, kiosk, report, archive)] == [True, True, False, True]
    assert kiosk.expires_at == datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert len(events("key.reassigned")) == 2
    assert len(events("user.deactivated")) == 1


def test_every_fault_is_named_at_once_and_nothing_typed_is_lost(client: Client, alice: User, bob: User) -> None:
    shop, kiosk, report = (a_billing_key(alice, owner=bob, name=name).key for name in ("Shop", "Kiosk", "Report"))
    fixed = a_key_of("sip-caller", alice, owner=bob).key
    sent = {
        "keys": "expire", "heir": "", "expires_on": "31.12.2099",
        f"keys-{shop.public_id}": "give", f"heir-{shop.public_id}": "Nobody",
        f"keys-{kiosk.public_id}": "expire", f"heir-{kiosk.public_id}": "Alice",
        f"expires_on-{kiosk.public_id}": "2001-01-01",
        f"keys-{fixed.public_id}": "expire", f"heir-{fixed.public_id}": "Alice",
        f"expires_on-{fixed.public_id}": f"{NOW + timedelta(days=7):%Y-%m-%d}",
        f"keys-{report.public_id}": "burn",
    }  # fmt: skip

    response = client.post(url(bob), sent)

    page = text(response)
    assert response.status_code == 422
    for fault in (
        "'31.12.2099' is not a date. Enter one such as 2027-01-31.",
        '"Nobody" is not an active user of this account. Choose one of the list.',
        "Kiosk: 2001-01-01 23:59 UTC is in the past. Choose a later time.",
        "Expiration of Autodialer is set at creation: it can't be extended. Choose something else for it.",
        "Select a valid choice. burn is not one of the available choices.",
        "Choose the new owner.",
        "Reassigning keys needs your confirmation.",
    ):
        assert fault in page
    for typed in ("31.12.2099", "Nobody", "2001-01-01"):
        assert f'value="{typed}"' in response.content.decode()
    bob.refresh_from_db()
    assert bob.is_active
    assert not events("key.reassigned")


def test_check_effect_says_what_the_choices_refuse_and_changes_nothing(client: Client, alice: User, bob: User) -> None:
    shop, kiosk = (a_billing_key(alice, owner=bob, name=name).key for name in ("Shop", "Kiosk"))
    for key in (shop, shop, kiosk):
        a_call(key.account, key_id=key.public_id)
    sent = {"keys": "expire", "heir": alice.pk, "expires_on": "2099-12-31", f"keys-{shop.public_id}": "disable"}

    for headers in ({}, {"HX-Request": "true"}):
        response = client.post(url(bob), sent | {"check": "live" if headers else "1"}, headers=headers)
        assert response.status_code == 200
        page = text(response)
        assert "Would have refused 2 of 2 calls" in page
        assert "1 key expires on 2099-12-31 23:59 UTC or before: every call is refused from then on." in page
    bob.refresh_from_db()
    assert bob.is_active


def test_what_is_chosen_for_all_holds_for_keys_beyond_the_listed(
    client: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.views.offboarding.MAX_KEYS_LISTED", 2)
    for number in range(4):
        a_billing_key(alice, owner=bob, name=f"Robot {number}")
    assert "and 2 more, used less recently" in text(client.get(url(bob)))

    assert client.post(url(bob), {"keys": "give", "heir": alice.pk, "password": PASSWORD}).status_code == 302
    assert set(Key.objects.values_list("owner", flat=True)) == {alice.pk}
