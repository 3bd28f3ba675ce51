"""The first address of a key that was open to all: the form names the clients that it would cut off, and asks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.ip_lists_made import an_ip_list
from tests.keys_made import a_billing_key
from tests.logbook import a_call
from tests.people import PASSWORD, a_user, an_account

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def alice(live_server: Any) -> User:
    return a_user(an_account(), "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def key(alice: User) -> Key:
    key = a_billing_key(alice).key
    for address in ("198.51.100.7", "198.51.100.7", "203.0.113.9"):
        a_call(key.account, key_id=key.public_id, client_address=address)
    return key


def networks(key: Key) -> set[str]:
    return {str(address.network) for address in key.addresses.all()}


def test_in_the_panel_the_clients_are_added_too(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Edit", exact=True).click()
    panel = page.locator("#panel")
    panel.get_by_label("Application name").fill("Renamed")
    panel.get_by_role("textbox", name="IP ACL").fill("192.0.2.0/24")
    panel.get_by_role("button", name="Save changes").click()
    asks = panel.get_by_role("alert")
    expect(asks).to_be_focused()
    expect(asks).to_contain_text("This would block calls that were allowed in the last 30 days.")
    expect(asks.get_by_role("row", name=re.compile("198.51.100.7 2 "))).to_be_visible()
    assert_accessible(page)
    expect(panel.get_by_label("Application name")).to_have_value("Renamed")
    asks.get_by_role("button", name="Add them too").click()
    expect(page.get_by_text("Renamed saved.")).to_be_visible()
    assert networks(key) == {"192.0.2.0/24", "198.51.100.7/32", "203.0.113.9/32"}


def test_without_javascript_it_is_a_step_of_its_own(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_label("IP ACL").fill("203.0.113.9")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("row", name=re.compile("198.51.100.7 2 "))).to_be_visible()
    page.get_by_role("button", name="Save anyway").click()
    expect(page.get_by_text("robot saved.")).to_be_visible()
    assert networks(key) == {"203.0.113.9/32"}


def test_an_entry_of_an_ip_list_asks_in_the_panel_too(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    office = an_ip_list(alice, "198.51.100.0/24", "203.0.113.9", used_by=key)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/ip-lists/{office.pk}/")
    page.get_by_role("link", name="Edit 198.51.100.0/24").click()
    panel = page.locator("#panel")
    panel.get_by_label("Address or range").fill("198.51.100.128/25")
    panel.get_by_role("button", name="Save changes").click()
    asks = panel.get_by_role("alert")
    expect(asks).to_be_focused()
    expect(asks.get_by_role("row", name=re.compile("198.51.100.7 .* 2 "))).to_be_visible()
    assert_accessible(page)
    asks.get_by_role("button", name="Add them too").click()
    expect(page.get_by_text("198.51.100.128/25 saved, and 1 address is added.")).to_be_visible()
    expect(page.locator("tr:target")).to_contain_text("198.51.100.128/25")
    expect(page.get_by_role("link", name="Edit 198.51.100.7", exact=True)).to_be_visible()
